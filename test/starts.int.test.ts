/** Roles that are told to stop while they start, and wait for what is away. */
import path from 'node:path'
import { afterEach, describe, expect, it, test } from 'vitest'
import type { ClickHouseConfig } from '../platform/configuration/config.ts'
import { startGatewayRole } from '../platform/roles/gateway-role.ts'
import { startProjectorRole } from '../platform/roles/projector-role.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { graphql } from '../cli/graphql-client.ts'
import { withKafka } from './support/kafka.ts'
import { startSwitchedProxy, type SwitchedProxy } from './support/kafka/switched-proxy.ts'
import { spawnPurser, withFolder } from './support/purser.ts'

const NOBODY = 'http://127.0.0.1:1'
const quiet = (): void => undefined

const proxies: SwitchedProxy[] = []
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close()
})

/** A proxy that is closed when its test is over. */
async function kept(starting: Promise<SwitchedProxy>): Promise<SwitchedProxy> {
  const proxy = await starting
  proxies.push(proxy)
  return proxy
}

/** As a server that is away: connections to it end at once, and are counted. */
async function startRefusing(): Promise<SwitchedProxy> {
  const proxy = await startSwitchedProxy(1)
  proxy.refuse()
  return proxy
}

describe('a role that is told to stop while it waits for Kafka', () => {
  const commands: readonly (readonly [string, (folder: string) => readonly string[]])[] = [
    [
      'writer',
      (folder) => ['--health-port', '0', '--scratch', path.join(folder, 'scratch'), '--snapshots', folder],
    ],
    ['projector', () => ['--health-port', '0', '--clickhouse-url', NOBODY]],
    ['gateway', () => ['--port', '0', '--clickhouse-url', NOBODY]],
  ]
  test.concurrent.each(commands)('has stopped in order: %s', async (name, args) => {
    // Not among those of every test: the others run at the same time.
    const broker = await startRefusing()
    await withFolder(async (folder) => {
      const role = spawnPurser([name, '--brokers', broker.address, ...args(folder)])
      await expect.poll(() => broker.turnedAway()).toBeGreaterThan(0)
      role.child.kill('SIGTERM')
      const { exitCode, stdout, stderr } = await role.finished
      expect(stderr).toContain(`The ${name} has stopped.`)
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' })
    }).finally(() => broker.close())
  })
})

await withKafka('roles that start while the views are away', (kafka) => {
  const clickhouseAt = (address: string): ClickHouseConfig => ({ url: `http://${address}`, username: 'x', password: '', database: 'default' }) // prettier-ignore

  it('a projector that is told to stop does not wait for them', async () => {
    const settings = await kafka.deployment()
    const views = await kept(startRefusing())
    const over = new AbortController()
    const options = {
      kafka: settings,
      clickhouse: clickhouseAt(views.address),
      log: quiet,
      startForMs: 600_000,
    }
    const started = expect(startProjectorRole({ ...options, signal: over.signal })).rejects.toThrow('enough')
    await expect.poll(() => views.turnedAway()).toBeGreaterThan(0)
    over.abort(new Error('enough'))
    await started
  })

  it.each(['refuses', 'keeps silent'] as const)(
    'a gateway serves commands where the server %s',
    async (how) => {
      const settings = await kafka.deployment()
      const views = await kept(startRefusing())
      if (how === 'keeps silent') {
        views.accept()
        views.hold()
      }
      const gateway = await startGatewayRole({
      kafka: settings, clickhouse: clickhouseAt(views.address), host: '127.0.0.1', port: 0, currencies: ISO_CURRENCIES,
      graphiql: false, log: quiet,
    }) // prettier-ignore
      const status = async (purpose: string): Promise<number> =>
        (await fetch(`${gateway.url}/readyz?for=${purpose}`, { signal: AbortSignal.timeout(1_000) })).status
      expect(await status('commands')).toBe(200)
      expect(await status('reads')).toBe(503)
      const query = '{ trialBalance { currency } }'
      await expect(graphql(gateway.url, query, {})).rejects.toThrow('The views cannot be read just now')
      await gateway.stop()
    },
  )
})

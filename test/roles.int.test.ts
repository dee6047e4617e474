/**
 * The platform as roles, each in a process of its own as an operator starts it: a real broker, the embedded engine in the
 * place of a ClickHouse server, and two gateways behind the address that docker-compose.yml puts in front of them.
 */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { startEngine } from '../projectors/engine/supervisor.ts'
import { openDoor } from './support/door.ts'
import { sendCommands } from './support/json-lane.ts'
import { withKafka } from './support/kafka.ts'
import { onlyJson, purser, said, spawnPurser, withFolder, type Running } from './support/purser.ts'
import { haveTools } from './support/tools.ts'

const READY_MS = 40_000
const PARTITIONS = '2'
const TEST_MS_MAX = 180_000

await withKafka('roles in processes of their own', (kafka) => {
  if (haveTools('gateways behind one address', 'haproxy'))
    describe('the platform as roles', () => {
      test('takes the first transfers through one address, says how it is, and stops in order', { timeout: TEST_MS_MAX }, () =>
        withFolder(async (folder) => {
          const engine = await startEngine({ dataDir: path.join(folder, 'views'), memoryBytesMax: 1024 ** 3 })
          const environment = {
            PURSER_KAFKA_BROKERS: kafka.brokers.join(','),
            PURSER_KAFKA_TOPIC_PREFIX: `roles-${randomBytes(4).toString('hex')}`,
            PURSER_KAFKA_REPLICATION: '1',
            PURSER_PARTITIONS: PARTITIONS,
            PURSER_CLICKHOUSE_URL: engine.url,
            PURSER_CLICKHOUSE_USER: engine.username,
            PURSER_CLICKHOUSE_PASSWORD: engine.password,
            PURSER_CLICKHOUSE_DATABASE: 'default',
            PURSER_SNAPSHOTS: path.join(folder, 'snapshots'),
            PURSER_SCRATCH: path.join(folder, 'scratch'),
            PURSER_PORT: '0',
            PURSER_HEALTH_PORT: '0',
          }
          const role = (...args: readonly string[]): Running => spawnPurser([...args, '--json'], { environment, runMsMax: TEST_MS_MAX - 5_000 })
          const topics = await role('topics', '--create').finished
          expect(topics.exitCode, topics.stdout).toBe(0)

          const roles = [role('writer'), role('projector')]
          const health = await Promise.all(roles.map((one) => said(one, 'health')))
          for (const url of health) await untilReady(url)
          const gateways = [role('gateway'), role('gateway')]
          const urls = await Promise.all(gateways.map((one) => said(one, 'url')))
          for (const url of urls) await untilReady(url)
          const door = await openDoor(folder, urls)
          try {
            await untilReady(door.url)
            const { exitCode, stdout, stderr } = await purser('demo', '--url', door.url, '--json')
            const { ok, steps = [] } = onlyJson(stdout) as { ok: boolean; steps?: readonly { holds: boolean }[] }
            expect({ exitCode, ok, wrong: steps.filter(({ holds }) => !holds) }, stdout + stderr).toEqual({
              exitCode: 0,
              ok: true,
              wrong: [],
            })
            const writer = (await (await fetch(`${health[0]}/readyz`)).json()) as { partitions: readonly unknown[] }
            expect(writer.partitions).toHaveLength(Number(PARTITIONS))
            // Without views no gateway is ready for reads, and all are for commands: the door leads to them.
            await engine.stop()
            await untilReady(door.healthUrl, 503)
            for (const url of [door.healthUrl, ...urls]) {
              await untilReady(url, 503, 'reads')
              await untilReady(url, 200, 'commands')
            }
            // One that starts now as well.
            const late = role('gateway')
            gateways.push(late)
            await untilReady(await said(late, 'url'), 200, 'commands')
            const account = { kind: 'openAccount', accountId: '00000000-0000-8000-8000-000000000001', currency: 'EUR' }
            expect(await sendCommands(door.url, [account], () => undefined)).toEqual([{ kind: 'accepted', replayed: false }])
          } finally {
            await door.close()
            for (const { child } of [...gateways, ...roles]) child.kill('SIGTERM')
            const ends = await Promise.all([...gateways, ...roles].map(({ finished }) => finished))
            await engine.stop()
            expect(ends.map(({ exitCode }) => exitCode), ends.map(({ stderr }) => stderr).join('\n')).toEqual([0, 0, 0, 0, 0])
          }
        }),
      ) // prettier-ignore

      test('a command whose brokers are not there says so, and ends with a code', async () => {
        const environment = { PURSER_KAFKA_BROKERS: '127.0.0.1:1', PURSER_SNAPSHOTS: 'nowhere', PURSER_HEALTH_PORT: '0' }
        const { exitCode, stdout } = await spawnPurser(['topics', '--json'], { environment }).finished
        expect(exitCode).toBe(1)
        expect(onlyJson(stdout)).toMatchObject({ error: { code: 'kafka_unreachable' } })
      }) // prettier-ignore
    })
})

/** Waits until `/readyz` answers so: 200 unless said otherwise; for one purpose, or for both. */
function untilReady(url: string, status = 200, purpose?: 'commands' | 'reads'): Promise<void> {
  const query = purpose === undefined ? '' : `?for=${purpose}`
  return expect
    .poll(async () => (await fetch(`${url}/readyz${query}`).catch(() => undefined))?.status, {
      timeout: READY_MS,
      interval: 200,
    })
    .toBe(status)
}

/**
 * Gateways on a real Kafka whose ClickHouse goes away, refusing or keeping silent: commands go on at those that run and at
 * those that start meanwhile, reads say so by a code, and all is as it was when it comes back.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouseConfig } from '../platform/configuration/config.ts'
import { graphql } from '../cli/graphql-client.ts'
import { startGatewayRole, type GatewayRole } from '../platform/roles/gateway-role.ts'
import { startProjectorRole, type ProjectorRole } from '../platform/roles/projector-role.ts'
import { startWriterRole, type WriterRole } from '../platform/roles/writer-role.ts'
import type { KafkaSettings } from '../eventlog/kafka/settings.ts'
import { startEngine, type Engine } from '../projectors/engine/supervisor.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { sendCommands } from './support/json-lane.ts'
import { withKafka } from './support/kafka.ts'
import { startSwitchedProxy, type SwitchedProxy } from './support/kafka/switched-proxy.ts'
import { newId } from './support/load.ts'

const TEST_MS_MAX = 120_000
const quiet = (): void => undefined
const cash = '00000000-0000-8000-8000-000000000001'
const anna = '00000000-0000-8000-8000-000000000002'

const TOLD = '__typename ... on TransferApplied { position replayed } ... on Refused { code }'
const TRANSFER = `mutation($input: TransferInput!) { result: transfer(input: $input) { ${TOLD} } }`
const REVERSE = `mutation($input: ReverseTransferInput!) { result: reverseTransfer(input: $input) { ${TOLD} } }`
const BALANCE =
  'query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } } }'

await withKafka('gateways whose views are away', (kafka) => {
  describe('gateways whose views are away', () => {
    let dir: string
    let settings: KafkaSettings
    let engine: Engine
    let views: SwitchedProxy
    let clickhouse: ClickHouseConfig
    let writer: WriterRole
    let projector: ProjectorRole
    let one: GatewayRole

    const startGateway = (): Promise<GatewayRole> =>
      startGatewayRole({
        kafka: settings, clickhouse, host: '127.0.0.1', port: 0, currencies: ISO_CURRENCIES, graphiql: false, log: quiet,
      }) // prettier-ignore

    beforeAll(async () => {
      dir = await mkdtemp(path.join(os.tmpdir(), 'views-away-'))
      settings = await kafka.deployment()
      engine = await startEngine({ dataDir: path.join(dir, 'views'), memoryBytesMax: 1024 ** 3 })
      views = await startSwitchedProxy(Number(new URL(engine.url).port))
      const { username, password } = engine
      clickhouse = { url: `http://${views.address}`, username, password, database: 'default' }
      writer = await startWriterRole({
        kafka: settings, snapshots: { kind: 'folder', folder: path.join(dir, 'snapshots') }, scratchDir: path.join(dir, 'scratch'),
        log: quiet, core: { holdsMax: 1_024 },
      }) // prettier-ignore
      projector = await startProjectorRole({ kafka: settings, clickhouse, log: quiet })
      one = await startGateway()
      await sendCommands(
        one.url,
        [
          { kind: 'openAccount', id: newId(), accountId: cash, currency: 'EUR', system: true },
          { kind: 'openAccount', id: newId(), accountId: anna, currency: 'EUR' },
        ],
        quiet,
      )
    }, TEST_MS_MAX)
    afterAll(async () => {
      views.flow()
      views.accept()
      await one.stop()
      await projector.stop()
      await writer.stop()
      await views.close()
      await engine.stop()
      await rm(dir, { recursive: true, force: true })
    })

    it.each([
      ['refuses', () => views.refuse(), () => views.accept()],
      ['keeps silent', () => views.hold(), () => views.flow()],
    ])('a server that %s costs reads, and no commands', { timeout: TEST_MS_MAX }, async (_, away, back) => {
      await expectReady(one, { commands: 200, reads: 200 })
      const first = payment()
      const { result } = await move(one, first)
      const before = await balanceAt(one, result.position)
      away()
      await expectReady(one, { commands: 200, reads: 503 })
      expect((await move(one, payment())).result).toMatchObject({ __typename: 'TransferApplied' })

      const other = await startGateway()
      try {
        await expectReady(other, { commands: 200, reads: 503 })
        const { result: last } = await move(other, payment())
        expect(last).toMatchObject({ __typename: 'TransferApplied', replayed: false })
        // One that saw a transfer go by knows its repeat; for one that did not, only the views could tell: it may be asked again.
        expect(await sendCommands(one.url, [{ kind: 'transfer', ...first }], quiet)).toEqual([{ kind: 'accepted', replayed: true }])
        await expect(move(other, first)).rejects.toThrow(/outcome is not known yet. Send it again with the same id/)
        for (const gateway of [one, other]) {
          const startedMs = performance.now()
          await expect(graphql(gateway.url, '{ trialBalance { currency } }', {})).rejects.toThrow(/views cannot be read/)
          const reversal = { id: newId(), transferId: first.id }
          await expect(graphql(gateway.url, REVERSE, { input: reversal })).rejects.toThrow(/views cannot be read/)
          expect(performance.now() - startedMs).toBeLessThan(5_000)
        }
        expect(projector.status().ready).toBe(false)

        back()
        for (const gateway of [one, other]) {
          await expectReady(gateway, { commands: 200, reads: 200 })
          expect(await balanceAt(gateway, last.position)).toBe(before + 2)
          expect((await move(gateway, first)).result).toMatchObject({ position: result.position, replayed: true })
        }
        const reversal = { id: newId(), transferId: first.id }
        expect(await graphql(other.url, REVERSE, { input: reversal })).toMatchObject({ result: { __typename: 'TransferApplied' } })
      } finally {
        back()
        await other.stop()
      }
    }) // prettier-ignore
  })
})

function payment(): Readonly<Record<'id' | 'debitAccountId' | 'creditAccountId' | 'amount' | 'currency', string>> {
  return { id: newId(), debitAccountId: cash, creditAccountId: anna, amount: '1', currency: 'EUR' }
} // prettier-ignore

function move({ url }: GatewayRole, input: object): Promise<{ result: { position: string } }> {
  return graphql(url, TRANSFER, { input })
}

async function balanceAt({ url }: GatewayRole, after: string): Promise<number> {
  type Answer = { balance: { balance: { minor: string } } }
  return Number((await graphql<Answer>(url, BALANCE, { id: anna, after })).balance.balance.minor)
}

/** Waits until probes are answered so, each within a second. */
async function expectReady({ url }: GatewayRole, wanted: { commands: number; reads: number }): Promise<void> {
  const probe = async (purpose: string): Promise<number> =>
    (await fetch(`${url}/readyz?for=${purpose}`, { signal: AbortSignal.timeout(1_000) })).status
  await expect
    .poll(async () => ({ commands: await probe('commands'), reads: await probe('reads') }), { interval: 200 })
    .toEqual(wanted)
} // prettier-ignore

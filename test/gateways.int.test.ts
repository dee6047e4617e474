/** Two gateways on a real Kafka over two partitions: whatever one of them was told, the other knows; none keeps anything. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, subscribe } from '../cli/demo/subscriber.ts'
import { graphql } from '../cli/graphql-client.ts'
import { connectBulk } from '../client/client.ts'
import { startGatewayRole, type GatewayRole } from '../platform/roles/gateway-role.ts'
import type { ClickHouseConfig } from '../platform/configuration/config.ts'
import { startProjectorRole, type ProjectorRole } from '../platform/roles/projector-role.ts'
import { startWriterRole, type WriterRole } from '../platform/roles/writer-role.ts'
import { topicNames, type KafkaSettings } from '../eventlog/kafka/settings.ts'
import { addPartitions, asAdmin, deleteRecordsBefore } from './support/kafka/topics.ts'
import { startEngine, type Engine } from '../projectors/engine/supervisor.ts'
import { encodePosition, readPosition, type PositionToken } from '../gateway/positions/tokens.ts'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { parseId } from '../schemas/ids.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { sendCommands, type LaneCommand } from './support/json-lane.ts'
import { withKafka } from './support/kafka.ts'
import { startSwitchedProxy, type SwitchedProxy } from './support/kafka/switched-proxy.ts'
import { idIn } from './support/account-in.ts'
import { newId } from './support/load.ts'

const PARTITIONS = 2
const quiet = (): void => undefined

const RESULT = `__typename ... on TransferApplied { position replayed transfer { state } } ... on Refused { code position replayed }`
const TRANSFER = `mutation($input: TransferInput!) { result: transfer(input: $input) { ${RESULT} } }`
const HOLD = `mutation($input: PlaceHoldInput!) { result: placeHold(input: $input) { ${RESULT} } }`
const POST = `mutation($input: PostHoldInput!) { result: postHold(input: $input) { ${RESULT} } }`
const REVERSE = `mutation($input: ReverseTransferInput!) { result: reverseTransfer(input: $input) { ${RESULT} } }`
const BALANCE = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } } }`
const ACTIVITY = `subscription($id: UUID!, $after: Position) { accountActivity(accountId: $id, after: $after) { kind position } }`
const TRIAL = `query($after: Position) { trialBalance(after: $after) { accounts sum { minor } } }`

interface Town {
  readonly cash: string
  readonly anna: string
  readonly emil: string
}

const towns = Array.from({ length: PARTITIONS }, (_, partition): Town => {
  const own = Array.from(
    { length: 100 },
    (_, index) => `00000000-0000-8000-8000-${String(index).padStart(12, '0')}`,
  ) // prettier-ignore
    .filter((id) => partitionOf(parseId(id)!, PARTITIONS) === partition)
  return { cash: own[0]!, anna: own[1]!, emil: own[2]! }
})
const [here, there] = towns as [Town, Town]

interface Told {
  readonly __typename: string
  readonly position: string
  readonly replayed: boolean
  readonly code?: string
}

async function run({ url }: GatewayRole, mutation: string, input: object): Promise<Told> {
  return (await graphql<{ result: Told }>(url, mutation, { input })).result
}

function payment(from: string, to: string, amount: string): Record<string, string> {
  return { id: newId(), debitAccountId: from, creditAccountId: to, amount, currency: 'EUR' }
}

async function balanceOf({ url }: GatewayRole, id: string, after?: string): Promise<number> {
  type Answer = { balance: { balance: { minor: string } } }
  return Number((await graphql<Answer>(url, BALANCE, { id, after })).balance.balance.minor)
}

/** What an operation that fails says in its `extensions`. */
async function extensionsOf({ url }: GatewayRole, query: string, input: object): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables: { input } }),
  })
  const { errors } = (await response.json()) as { errors?: readonly { extensions: unknown }[] }
  return errors?.[0]?.extensions
}

/** What is wrong with a trial balance after a position; undefined: nothing. */
async function errorAfter({ url }: GatewayRole, after: string): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: TRIAL, variables: { after } }),
  })
  return ((await response.json()) as { errors?: { extensions: unknown }[] }).errors?.[0]?.extensions
}

/** What Emil has once all that was written so far is read: a gateway may not know yet what another one was told. */
async function settledBalance(gateway: GatewayRole, { cash, anna, emil }: Town): Promise<number> {
  const { position } = await run(gateway, TRANSFER, payment(cash, anna, '1'))
  return balanceOf(gateway, emil, position)
}

await withKafka('two gateways', (kafka) => {
  describe('two gateways', () => {
    let dir: string
    let settings: KafkaSettings
    let engine: Engine
    let clickhouse: ClickHouseConfig
    let writers: WriterRole[]
    let projector: ProjectorRole
    let one: GatewayRole
    let other: GatewayRole

    const startWriter = (name: string): Promise<WriterRole> =>
      startWriterRole({
        kafka: settings,
        snapshots: { kind: 'folder', folder: path.join(dir, 'snapshots') },
        scratchDir: path.join(dir, name),
        log: quiet,
        core: { holdsMax: 1_024 },
      })
    const startGateway = (log: (line: string) => void = quiet): Promise<GatewayRole> =>
      startGatewayRole({
        kafka: settings,
        clickhouse,
        host: '127.0.0.1', port: 0, currencies: ISO_CURRENCIES, graphiql: false, log,
      }) // prettier-ignore

    /** Where each partition of a topic ends. */
    const endsOf = (topic: string): Promise<bigint[]> =>
      asAdmin(settings, async (admin) => {
        const offsets = await admin.fetchTopicOffsets(topic)
        return offsets.sort((a, b) => a.partition - b.partition).map(({ high }) => BigInt(high))
      })

    beforeAll(async () => {
      dir = await mkdtemp(path.join(os.tmpdir(), 'gateways-'))
      settings = await kafka.deployment(PARTITIONS)
      engine = await startEngine({ dataDir: path.join(dir, 'views'), memoryBytesMax: 1024 ** 3 })
      clickhouse = { url: engine.url, username: engine.username, password: engine.password, database: 'default' } // prettier-ignore
      writers = await Promise.all(['a', 'b'].map(startWriter))
      projector = await startProjectorRole({ kafka: settings, clickhouse, log: quiet })
      one = await startGateway()
      other = await startGateway()
      await sendCommands(
        one.url,
        towns.flatMap(({ cash, anna, emil }): LaneCommand[] => [
          { kind: 'openAccount', id: newId(), accountId: cash, currency: 'EUR', system: true },
          { kind: 'openAccount', id: newId(), accountId: anna, currency: 'EUR' },
          { kind: 'openAccount', id: newId(), accountId: emil, currency: 'EUR' },
          { kind: 'transfer', ...payment(cash, anna, '100000') },
        ]),
        quiet,
      )
    }, 120_000)
    afterAll(async () => {
      await Promise.all([one.stop(), other.stop()])
      await projector.stop()
      await Promise.all(writers.map((writer) => writer.stop()))
      await engine.stop()
      await rm(dir, { recursive: true, force: true })
    })

    it('a write on one is read on the other, and its repeat there is told the first outcome', async () => {
      for (const { anna, emil } of towns) {
        const input = payment(anna, emil, '7')
        const before = await balanceOf(other, emil)
        const first = await run(one, TRANSFER, input)
        expect(first).toMatchObject({ __typename: 'TransferApplied', replayed: false })
        expect(await balanceOf(other, emil, first.position)).toBe(before + 7)
        expect(await run(other, TRANSFER, input)).toEqual({ ...first, replayed: true })
        expect(await run(other, TRANSFER, { ...input, amount: '8' })).toMatchObject({ code: 'id_reused' })
      }
    })

    it('a position is of the deployment: every gateway takes it, and none one that is ahead of the log or of another', async () => {
      const { position } = await run(one, TRANSFER, payment(here.cash, here.anna, '1'))
      // A gateway that starts later reads the same first frame.
      const later = await startGateway()
      const token = (readPosition(position) as { value: PositionToken }).value
      const ahead = new Map([...token.position].map(([partition, sequence]) => [partition, sequence + 100_000n]))
      const elsewhere = token.deployment === 'aaaaaaaaaaaa' ? 'bbbbbbbbbbbb' : 'aaaaaaaaaaaa'
      try {
        for (const gateway of [one, other, later]) {
          expect(await errorAfter(gateway, position)).toBeUndefined()
          expect(await errorAfter(gateway, encodePosition(ahead, token.deployment))).toMatchObject({ code: 'POSITION_AHEAD', field: 'after', retryable: false })
          expect(await errorAfter(gateway, encodePosition(token.position, elsewhere))).toMatchObject({ code: 'BAD_USER_INPUT', field: 'after' })
        }
      } finally {
        await later.stop()
      }
    }, 60_000) // prettier-ignore

    it('one id sent to both at the same time takes effect once, and exactly one of them is told that it was the first', async () => {
      const before = await settledBalance(one, here)
      const inputs = Array.from({ length: 30 }, () => payment(here.anna, here.emil, '1'))
      const told = await Promise.all(
        inputs.map((input) => Promise.all([run(one, TRANSFER, input), run(other, TRANSFER, input)])),
      )
      for (const [left, right] of told) {
        expect([left.replayed, right.replayed].sort()).toEqual([false, true])
        expect(left.position).toBe(right.position)
      }
      const last = told.map(([{ position }]) => position).at(-1)!
      expect(await balanceOf(one, here.emil, last)).toBe(before + 30)
    })

    it('the binary lane of both at the same time: every command decided once, and told as a repeat by the other', async () => {
      const commands = Array.from({ length: 2_000 }, (_, index): Command => ({
        kind: 'Transfer',
        id: parseId(newId())!,
        debit: parseId(here.cash)!,
        credit: parseId(here.emil)!,
        amount: 1n,
        currency: 'EUR',
        ...(index % 50 === 0 ? { memo: `memo ${index}` } : {}),
      }))
      const before = await settledBalance(one, here)
      const clients = await Promise.all([one, other].map(({ url }) => connectBulk({ url })))
      const slots = encodeCommands(commands)
      const [left, right] = await Promise.all(
        clients.map((client) => client.submitSlots(slots, commands.length, 0)),
      )
      expect(left!.tally()).toMatchObject({ decided: 2_000, refused: 0, faults: 0 })
      expect(right!.tally()).toMatchObject({ decided: 2_000, refused: 0, faults: 0 })
      expect(left!.tally().replayed + right!.tally().replayed).toBe(2_000)
      for (const client of clients) await client.close()
      await expect.poll(() => balanceOf(other, here.emil)).toBe(before + 2_000)
    })

    it('a hold placed on one is posted on the other, and a transfer of one is reversed on the other, without a pause', async () => {
      for (const { anna, emil } of towns)
        for (const [left, right] of [[one, other], [other, one]] as const) {
          const hold = payment(anna, emil, '5')
          expect((await run(left, HOLD, hold)).__typename).toBe('TransferApplied')
          expect(await run(right, POST, { id: newId(), holdId: hold['id'] })).toMatchObject({ __typename: 'TransferApplied' })
          const mistake = payment(anna, emil, '3')
          await run(left, TRANSFER, mistake)
          expect(await run(right, REVERSE, { id: newId(), transferId: mistake['id'] })).toMatchObject({ __typename: 'TransferApplied' })
        } // prettier-ignore
    })

    it('a subscription on one sees what the other took in, and a cursor of one goes on at the other', async () => {
      const apps = [one, other].map(({ url }) => connect(url))
      const [left] = apps
      const activity = subscribe<{ kind: string; position: string }>(left!, ACTIVITY, { id: there.emil }, 'accountActivity')
      // A subscription begins when it is open: until then, activity is made.
      while (activity.items.length === 0) {
        await run(other, TRANSFER, payment(there.anna, there.emil, '1'))
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      const seen = activity.items.at(-1)!.position
      await run(other, TRANSFER, payment(there.anna, there.emil, '2'))
      const resumed = subscribe<{ position: string }>(apps[1]!, ACTIVITY, { id: there.emil, after: seen }, 'accountActivity')
      const [next] = await resumed.arrived(1)
      await activity.arrived(activity.items.findIndex(({ position }) => position === seen) + 2)
      expect(activity.items.some(({ position }) => position === next!.position)).toBe(true)
      for (const app of apps) await app.dispose()
    }) // prettier-ignore

    it('load on both at once, over a change of the writer: every outcome known, every transfer once', async () => {
      const before = await Promise.all(towns.map((town) => settledBalance(one, town)))
      const perGateway = 60
      const load = [one, other].flatMap((gateway) =>
        towns.flatMap(({ anna, emil }) =>
          Array.from({ length: perGateway }, async (_, index) => {
            await new Promise((resolve) => setTimeout(resolve, index * 5))
            return run(gateway, TRANSFER, payment(anna, emil, '1'))
          }),
        ),
      )
      await new Promise((resolve) => setTimeout(resolve, 100))
      // The partitions of this one go to the other.
      await writers.pop()!.stop()
      const told = await Promise.all(load)
      expect(told.filter(({ __typename, replayed }) => __typename !== 'TransferApplied' || replayed)).toEqual(
        [],
      )
      for (const { position } of told.slice(-1)) await graphql(other.url, TRIAL, { after: position })
      await expect
        .poll(() => Promise.all(towns.map(({ emil }) => balanceOf(other, emil))))
        .toEqual(before.map((balance) => balance + 2 * perGateway))
    })

    it('is ready, says so, and keeps base times of imports for every gateway', async () => {
      for (const { url } of [one, other]) expect((await fetch(`${url}/readyz`)).status).toBe(200)
      expect(one.status()).toEqual({ ready: true, reasons: [] })
      const path = '/imports/bank'
      const begun = await fetch(`${one.url}${path}/times`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"partition":0,"beyond":null}',
      })
      const answer: unknown = await begun.json()
      expect(answer).toMatchObject({ partitions: [{ partition: 0, baseTimesMs: [expect.any(Number)] }] })
      expect(await (await fetch(other.url + path)).json()).toEqual(answer)
    })

    it('commands that nobody decided are told so by name and are no refusal: the same ids, sent again, are accepted', async () => {
      // Their ids live where they are decided: nothing is waited for before they are sent.
      const inputs = towns.map(({ anna, emil }, partition) => ({
        ...payment(anna, emil, '1'),
        id: idIn(partition, PARTITIONS),
      }))
      for (const writer of writers.splice(0)) await writer.stop()
      const before = await endsOf(topicNames(settings).commands)
      const asked = Promise.all(inputs.map((input) => extensionsOf(one, TRANSFER, input)))
      const { commands } = topicNames(settings)
      await expect
        .poll(async () => {
          const ends = await endsOf(commands)
          await deleteRecordsBefore(
            settings,
            commands,
            ends.map((logOffset, partition) => ({ partition, logOffset })),
          )
          return ends.every((end, partition) => end > before[partition]!)
        })
        .toBe(true)
      writers = [await startWriter('d')]
      for (const extensions of await asked)
        expect(extensions).toMatchObject({ code: 'NOT_DECIDED', retryable: true, reason: 'deleted' })
      for (const input of inputs)
        expect(await run(other, TRANSFER, input)).toMatchObject({
          __typename: 'TransferApplied',
          replayed: false,
        })
    })

    it('a gateway that starts while Kafka is away waits for it, at its first question and when it takes up the log', async () => {
      const [broker, views] = await Promise.all([settings.brokers[0]!, new URL(clickhouse.url).host].map((address) => startSwitchedProxy(Number(address.split(':')[1])))) as [SwitchedProxy, SwitchedProxy] // prettier-ignore
      try {
        broker.refuse()
        views.hold()
        const starting = startGatewayRole({
          kafka: { ...settings, brokers: [broker.address] },
          clickhouse: { ...clickhouse, url: `http://${views.address}` },
          host: '127.0.0.1', port: 0, currencies: ISO_CURRENCIES, graphiql: false, log: quiet,
        }) // prettier-ignore
        const turnedAway = () => expect.poll(() => broker.turnedAway())
        await turnedAway().toBeGreaterThan(0)
        expect(views.connections()).toBe(0)
        broker.accept()
        // It knows the topics, and asks from where the log is to be read.
        await expect.poll(() => views.connections()).toBeGreaterThan(0)
        const before = broker.turnedAway()
        broker.refuse()
        views.flow()
        await turnedAway().toBeGreaterThan(before)
        broker.accept()
        const late = await starting
        const { position } = await run(one, TRANSFER, payment(here.anna, here.emil, '1'))
        expect(await balanceOf(late, here.emil, position)).toBe(await balanceOf(one, here.emil, position))
        await late.stop()
      } finally {
        await Promise.all([broker.close(), views.close()])
      }
    })

    it('a gateway that starts now knows everything', async () => {
      const third = await startGateway()
      const input = payment(here.anna, here.emil, '1')
      const { position } = await run(one, TRANSFER, input)
      expect(await run(third, TRANSFER, input)).toMatchObject({ replayed: true, position })
      expect(await balanceOf(third, here.emil, position)).toBe(await balanceOf(one, here.emil, position))
      await third.stop()
    })

    it('partitions that are added later are not used: whoever starts then finds every account where it was', async () => {
      const { commands, events } = topicNames(settings)
      await addPartitions(settings, [commands, events], PARTITIONS + 3)
      await writers[0]!.stop()
      writers = [await startWriter('c')]
      const lines: string[] = []
      const late = await startGateway((line) => lines.push(line))
      try {
        expect(
          lines.filter((line) => line.includes('those from 2 on were added later, and are not used')),
        ).toHaveLength(1)
        for (const { cash, anna } of towns) {
          const told = await run(late, TRANSFER, payment(cash, anna, '1'))
          expect(told).toMatchObject({ __typename: 'TransferApplied' })
          const minor = await balanceOf(late, anna, told.position)
          expect(minor).toBe(await balanceOf(one, anna, told.position))
        }
        const held = writers.flatMap((writer) => writer.status()['partitions'] as { partition: number }[])
        expect(held.map(({ partition }) => partition).sort()).toEqual([0, 1])
      } finally {
        await late.stop()
      }
    })
  })
})

/**
 * Views that are being rebuilt, over two partitions. Until they hold what the log held, nothing is answered from them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { startEngine, type Engine } from '../../projectors/engine/supervisor.ts'
import { dropAll } from '../../projectors/clickhouse/drop-all.testing.ts'
import { BUILT_IN_PROJECTIONS, BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'
import { allTogether } from '../../projectors/projection.ts'
import { startProjections, type RunningProjections } from '../../projectors/runtime/runtime.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { parseId } from '../../schemas/ids.ts'
import { ISO_CURRENCIES } from '../../schemas/money.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { includesPosition } from '../../schemas/positions.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../../writer/embedded.ts'
import { startGateway, type Gateway } from '../gateway.ts'
import { createFileImportRegistry } from '../imports/import-registry.ts'
import { idIn } from '../../test/support/account-in.ts'
import type { GraphqlAnswer } from '../gateway-under-test.testing.ts'
import { decodePosition } from '../positions/tokens.ts'
import { PATIENCE_MS } from '../../test/support/patience.ts'

const TEST_MS_MAX = 120_000
const BATCHES = 8
const BATCH = 1_000

/** Two accounts of each partition. */
const towns = [0, 1].map((partition) => {
  const [cash, anna] = Array.from({ length: 64 }, (_, at) => `00000000-0000-8000-8000-${String(at).padStart(12, '0')}`)
    .filter((id) => partitionOf(parseId(id)!, 2) === partition) // prettier-ignore
  return { cash: cash!, anna: anna! }
})

const PROJECTIONS = allTogether(BUILT_IN_PROJECTIONS)
let dir: string
let engine: Engine
let store: ViewStore
let writers: EmbeddedWriter[]
let projections: RunningProjections
let gateway: Gateway
/** After the first transfers. */
let early: string
/** What is right at the head of the log, and at `early`. */
let right: Readonly<Record<string, unknown>>
let rightEarly: unknown

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'anew-'))
  engine = await startEngine({ dataDir: path.join(dir, 'views'), memoryBytesMax: 1024 ** 3 })
  store = createViewStore(engine)
  writers = await Promise.all(
    [0, 1].map((partition) => startEmbeddedWriter({ dataDir: dir, partition, core: { holdsMax: 1_024 } })),
  )
  projections = await startProjections({
    store,
    projections: PROJECTIONS,
    logs: writers.map(({ log }) => log),
  })
  gateway = await start(5_000)
  early = await load(0, 1)
  await load(1, BATCHES)
  const now = await ask(NOW, await load(BATCHES, BATCHES + 1))
  expect(now.errors).toBeUndefined()
  right = now.data!
  rightEarly = (await ask(EARLY)).data
  await gateway.stop()
}, TEST_MS_MAX)
afterAll(async () => {
  await gateway.stop()
  await projections.stop()
  await Promise.all(writers.map((writer) => writer.stop()))
  await store.close()
  await engine.stop()
  await rm(dir, { recursive: true, force: true })
})

function start(readWaitMs: number, viewsLagMsMax = 300_000): Promise<Gateway> {
  return startGateway({
    writers, store, views: BUILT_IN_VIEWS, projections, currencies: ISO_CURRENCIES, imports: createFileImportRegistry(path.join(dir, 'imports')),
    host: '127.0.0.1', port: 0, graphiql: false, log: () => undefined, limits: { readWaitMs, viewsLagMsMax },
  }) // prettier-ignore
}

/** Opens the accounts, or moves money in both partitions, a cent at a time. Returns the position after it. */
async function load(from: number, to: number): Promise<string> {
  let position = ''
  for (let at = from; at < to; at++) {
    // Ids that live beside their accounts: none is claimed, and there are as many events as commands.
    const opening = towns.flatMap(({ cash, anna }, partition) => [
      {
        kind: 'openAccount',
        id: idIn(partition, 2),
        accountId: cash,
        currency: 'EUR',
        system: true,
        owner: 'bank',
      },
      { kind: 'openAccount', id: idIn(partition, 2), accountId: anna, currency: 'EUR', owner: 'anna' },
    ])
    const moving = Array.from({ length: BATCH }, (_, index) => {
      const partition = index % 8 === 0 ? 1 : 0
      const { cash, anna } = towns[partition]!
      return { kind: 'transfer', id: idIn(partition, 2), debitAccountId: cash, creditAccountId: anna, amount: '1', currency: 'EUR' } // prettier-ignore
    })
    const response = await fetch(`${gateway.url}/commands`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ commands: at === 0 ? [...opening, ...moving] : moving }),
    })
    const answer = (await response.json()) as { results: { status: string }[]; position: string }
    expect(answer.results.every(({ status }) => status === 'accepted')).toBe(true)
    ;({ position } = answer)
  }
  return position
}

const READS = {
  balances: `a: balance(accountId: "${towns[0]!.anna}") { balance { minor } } b: balance(accountId: "${towns[1]!.anna}") { balance { minor } }`,
  account: `account(id: "${towns[0]!.anna}") { balance { balance { minor } } }`,
  accounts: `accounts(owner: "anna") { nodes { id } }`,
  history: `history(accountId: "${towns[1]!.anna}", last: 1) { nodes { version } }`,
  trialBalance: `trialBalance { accounts debitsPosted { minor } sum { minor } }`,
  byEffectiveTime: `past: balance(accountId: "${towns[0]!.anna}", at: { effectiveTime: "2100-01-01T00:00:00Z" }) { balance { minor } }`,
  audit: `audit(first: 1) { position }`,
  node: `node(id: "${towns[0]!.anna}") { id }`,
  nobody: `nobody: account(id: "00000000-0000-8000-8000-00000000ffff") { id }`,
  transfer: `transfer(id: "00000000-0000-8000-8000-00000000ffff") { id }`,
}
const NOW = `query($after: Position) { now: account(id: "${towns[0]!.anna}", after: $after) { id } ${Object.values(READS).join(' ')} }`
const EARLY = `query($at: Position!) { balance(accountId: "${towns[0]!.anna}", at: { position: $at }) { balance { minor } position }
  trialBalance(at: { position: $at }) { accounts debitsPosted { minor } } }`

async function ask(query: string, after?: string): Promise<GraphqlAnswer<Record<string, unknown>>> {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables: { after, at: early } }),
  })
  return (await response.json()) as never
}

async function probe(purpose: string): Promise<{ status: number; reasons: string }> {
  const response = await fetch(`${gateway.url}/readyz?for=${purpose}`)
  const { reasons } = (await response.json()) as { reasons: string[] }
  return { status: response.status, reasons: reasons.join() }
}

/** Makes the views anew, and has them stand still on the way, where they hold what was early. */
async function standHalfway(): Promise<void> {
  await projections.stop()
  await dropAll(store)
  projections = await startProjections({ store, projections: PROJECTIONS, logs: writers.map(({ log }) => log), rangeEventsMax: 1_000, lingerMs: 1 })
  const wanted = decodePosition(early)!
  while (!includesPosition(projections.position(), wanted)) await projections.waitFor(wanted, PATIENCE_MS)
  await projections.pause()
  expect(projections.position().get(0)).toBeLessThan(writers[0]!.log.head().sequence)
} // prettier-ignore

test('until the views hold what the log held at the start, reads say "not yet", commands go on, and readiness says how far they are', { timeout: TEST_MS_MAX }, async () => {
  await standHalfway()
  gateway = await start(300)
  const reads = await probe('reads')
  expect(reads.status).toBe(503)
  expect(reads.reasons).toMatch(/^The views are being made anew: [\d,]+ of 9,00\d events\./)
  expect((await probe('commands')).status).toBe(200)

  for (const [name, query] of Object.entries(READS)) {
    const { errors } = await ask(`{ ${query} }`)
    expect(errors?.[0]?.extensions, name).toMatchObject({ code: 'NOT_YET', retryable: true })
    expect(errors?.[0]?.message, name).toMatch(/being made anew: [\d,]+ of 9,00\d events\. Ask again/)
  }
  // A row that is told to be new is sent again.
  const known = await fetch(`${gateway.url}/imports/anew/known`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rows: ['0'.repeat(20)] }),
  })
  expect([known.status, await known.json()]).toMatchObject([503, { error: { code: 'NOT_YET', retryable: true } }])
  // What they hold for good, they may say.
  expect((await ask(EARLY)).data).toEqual(rightEarly)
  // A subscription that begins in the past is told the same; it may ask again from there.
  const client = createClient({ url: `${gateway.url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket })
  const query = `subscription($after: Position) { accountActivity(accountId: "${towns[0]!.anna}", after: $after) { position } }`
  const begun = client.iterate({ query, variables: { after: early } })
  const told = await begun.next().then(
    () => undefined,
    (errors: unknown) => errors,
  )
  expect([told].flat()[0]).toMatchObject({ extensions: { code: 'NOT_YET', retryable: true } })
  await client.dispose()
  await load(BATCHES, BATCHES + 1)

  // One who waits is answered as soon as they are there.
  await gateway.stop()
  gateway = await start(30_000)
  const waiting = ask(`{ ${READS.trialBalance} }`)
  projections.resume()
  const { data } = await waiting
  expect(data?.['trialBalance']).toEqual([{ accounts: '4', debitsPosted: { minor: '10000' }, sum: { minor: '0' } }])
  await expect.poll(() => probe('reads')).toEqual({ status: 200, reasons: '' })
  expect(Object.keys((await ask(NOW)).data!).sort()).toEqual(Object.keys(right).sort())
}) // prettier-ignore

test('views that are emptied while all runs never show half of the money to anybody', { timeout: TEST_MS_MAX }, async () => {
  await gateway.stop()
  projections.resume()
  gateway = await start(20)
  await expect.poll(() => probe('reads')).toEqual({ status: 200, reasons: '' })
  const exact = await ask(`{ ${READS.trialBalance} ${READS.balances} }`)
  expect(exact.errors).toBeUndefined()
  let isOver = false
  const reset = projections.reset().finally(() => (isOver = true))
  const told = { exact: 0, later: 0 }
  for (let quiet = 0; quiet < 5;) {
    // Not the balances of memory: another field beside them, and the views answer.
    const answer = await ask(`{ ${READS.trialBalance} ${READS.balances} }`)
    if (answer.errors === undefined) expect(answer.data).toEqual(exact.data)
    else for (const { extensions } of answer.errors) expect(extensions['retryable']).toBe(true)
    told[answer.errors === undefined ? 'exact' : 'later']++
    quiet = isOver && answer.errors === undefined ? quiet + 1 : 0
  }
  await reset
  expect(told.later).toBeGreaterThan(0)
  expect((await probe('reads')).status).toBe(200)
}) // prettier-ignore

test('views that lack an event for longer than the operator allows say nothing either, and do again once they have it', { timeout: TEST_MS_MAX }, async () => {
  await gateway.stop()
  projections.resume()
  gateway = await start(20, 1_000)
  await expect.poll(() => probe('reads')).toEqual({ status: 200, reasons: '' })
  await projections.pause()
  await load(BATCHES, BATCHES + 1)
  await expect.poll(async () => (await probe('reads')).reasons).toMatch(/^The views are \d s behind the log, by 1,000 events, and may be 1 s at most\./)
  expect((await probe('commands')).status).toBe(200)
  const { errors } = await ask(`{ ${READS.trialBalance} }`)
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'NOT_YET', retryable: true })
  expect((await ask(EARLY)).data).toEqual(rightEarly)
  projections.resume()
  await expect.poll(() => probe('reads')).toEqual({ status: 200, reasons: '' })
  expect((await ask(`{ ${READS.trialBalance} }`)).errors).toBeUndefined()
}) // prettier-ignore

test('views whose tables are gone are away, and no fault of ours', { timeout: TEST_MS_MAX }, async () => {
  await gateway.stop()
  projections.resume()
  gateway = await start(20)
  await expect.poll(() => probe('reads')).toEqual({ status: 200, reasons: '' })
  await projections.pause()
  await dropAll(store)
  for (const query of [EARLY, `{ ${READS.nobody} }`, `{ ${READS.trialBalance} }`]) {
    const { errors } = await ask(query)
    expect(errors?.[0]?.extensions, query).toMatchObject({ code: 'VIEWS_UNAVAILABLE', retryable: true })
  }
}) // prettier-ignore

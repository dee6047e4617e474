import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import { OutageError, type ViewStore } from '../clickhouse/view-store.ts'
import type { CodeProjection } from '../code-projection.ts'
import { engineUnderTest, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { EventFault, type Target } from '../runtime/lanes/target.ts'
import { inlineAuthor } from './author/inline-author.ts'
import { authorFiles, doingAtFive, ODD, TURNOVER_FILE, type AuthorFiles } from './hostile-authors.testing.ts'
import { MemoryRows } from './memory-rows.testing.ts'
import { RowsStore } from './rows-store.ts'
import { rangeOf, transfer, turnover } from './samples.testing.ts'
import { CODE_LIMITS, startCodeTarget } from './start.ts'
import { declaredOf } from './tables.ts'

const EVENTS = Array.from({ length: 40 }, (_, index) =>
  transfer(0, index + 1, 1 + (index % 3), 2 + (index % 5)),
)

let engine: EngineUnderTest
let store: ViewStore
let files: AuthorFiles
let module: string
/** Each test has tables of its own. */
let version = 0

beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
  files = await authorFiles()
  module = await files.write('turnover.mjs', TURNOVER_FILE)
})
afterAll(async () => {
  await store.close()
  await engine.stop()
  await files.remove()
})

function targetOver(store: ViewStore, limits = {}): Target {
  return startCodeTarget({ store, layout: {}, projection: turnover, version, module, limits, log: () => undefined })
} // prettier-ignore

/** What readers see, whatever came twice. */
function rowsThere(): Promise<unknown[]> {
  return store.query(
    `SELECT partition, toString(sequence) AS sequence, account, times, toString(total) AS total, last FROM turnover_v${version}
     ORDER BY partition, turnover_v${version}.sequence, account LIMIT 1 BY partition, sequence, account`,
  )
}

function statesThere(): Promise<unknown[]> {
  return store.query(`SELECT key, toString(sequence) AS newest, state FROM turnover_state_v${version} FINAL ORDER BY key`)
} // prettier-ignore

/** Rows of these events by the definition. */
async function rowsExpected(): Promise<unknown[]> {
  const rows = new MemoryRows(declaredOf(turnover))
  const author = inlineAuthor(turnover, CODE_LIMITS)
  const { first, last, payloads } = rangeOf(EVENTS)
  const made = await author.run(
    { partition: 0, bytes: Buffer.concat(payloads), after: first - 1n, last, states: 'none are stored' },
    () => Promise.reject(new Error('nothing is stored')),
  )
  await rows.insertRows(made.rows)
  return [...rows.rows].map(([id, row]) => {
    const [, partition, sequence] = id.split('|')
    const [account, times, total, lastOnes] = row.split('|')
    return { partition: Number(partition), sequence, account: Number(account), times: Number(times), total, last: lastOnes }
  }).sort((left, right) => Number(left.sequence) - Number(right.sequence) || left.account - right.account)
} // prettier-ignore

describe('a code projection in the engine', () => {
  test('keeps rows and states, and goes on from them in another process', async () => {
    version++
    const one = targetOver(store)
    await one.prepare()
    await one.write(rangeOf(EVENTS.slice(0, 10)))
    await one.write(rangeOf(EVENTS.slice(10, 25)))
    await one.stop()
    const other = targetOver(store, { statesMax: 2 })
    await other.prepare()
    // From the beginning, in other cuts, with fewer states in memory than there are.
    for (const [from, end] of [
      [0, 7],
      [7, 18],
      [18, 30],
      [30, 40],
    ] as const)
      // prettier-ignore
      await other.write(rangeOf(EVENTS.slice(from, end)))
    expect(await rowsThere()).toEqual(await rowsExpected())
    expect(await statesThere()).toMatchObject([
      { key: '', newest: '40' },
      ...[1, 2, 3, 4, 5, 6].map((account) => ({ key: `account ${account}` })),
    ])
    expect(other.parts).toEqual([`turnover_v${version}`, `turnover_state_v${version}`])
    await other.stop()
  })

  test.each(['rows', 'states'] as const)('whatever ended before the %s were stored, the same rows come of it', async (step) => {
    version++
    let left = 3
    const failing: ViewStore = {
      ...methodsOf(store),
      insertPayload: (sql, payloads, settings) => {
        const isStates = sql.includes('_state_')
        if (isStates === (step === 'states') && left-- > 0) throw left === 1 ? new OutageError('out') : new Error('the end')
        return store.insertPayload(sql, payloads, settings)
      },
    }
    let target = targetOver(failing)
    await target.prepare()
    let at = 0
    for (let cut = 3; at < EVENTS.length; cut = (cut * 5) % 11 + 1)
      try {
        await target.write(rangeOf(EVENTS.slice(at, at + cut)))
        at += cut
      } catch (error) {
        if (error instanceof OutageError) continue
        await target.stop()
        target = targetOver(failing)
        await target.prepare()
        at = Math.max(0, at - 2)
      }
    await target.stop()
    expect(await rowsThere()).toEqual(await rowsExpected())
  }) // prettier-ignore

  test('the states of a range are one part, however many they are', async () => {
    version++
    const rows = new RowsStore({ store, layout: {}, projection: declaredOf(turnover), version })
    await rows.prepare()
    const author = inlineAuthor(
      { ...turnover, keysOf: ({ sequence }) => Array.from({ length: 50 }, (_, key) => `${sequence} ${key}`), project: () => ({}) },
      CODE_LIMITS,
    )
    const events = Array.from({ length: 1_600 }, (_, index) => transfer(7, index + 1, 1, 2))
    const { last, payloads } = rangeOf(events)
    const { states } = await author.run(
      { partition: 7, bytes: Buffer.concat(payloads), after: 0n, last, states: 'none are stored' },
      () => Promise.reject(new Error('nothing is stored')),
    )
    await rows.insertStates(states!)
    expect(
      await store.query(`SELECT count() AS parts, sum(rows) AS rows FROM system.parts WHERE table = 'turnover_state_v${version}' AND active`),
    ).toEqual([{ parts: '1', rows: '80001' }])
    // And all of them come back.
    const asked = await rows.states(7, events.flatMap(({ sequence }) => Array.from({ length: 50 }, (_, key) => `${sequence} ${key}`)))
    expect([asked.states.size, asked.mark]).toEqual([80_000, 1_600n])
  }) // prettier-ignore

  test('keys of any characters come back as they are, and no other', async () => {
    version++
    const rows = new RowsStore({ store, layout: {}, projection: declaredOf(turnover), version })
    await rows.prepare()
    const keys = [`it's`, 'back\\slash', `\\'; DROP TABLE x`, 'a\nb\tc\0d', 'žluť 💰', '{partition:UInt16}', '%s', 'A', 'a']
    const author = inlineAuthor({ ...turnover, keysOf: () => keys, project: () => ({}) }, CODE_LIMITS)
    const { last, payloads } = rangeOf(EVENTS.slice(0, 1))
    const work = { partition: 0, bytes: payloads[0]!, after: 0n, last, states: 'none are stored' } as const
    await rows.insertStates((await author.run(work, () => Promise.reject(new Error('no')))).states!)
    expect([...(await rows.states(0, [...keys, 'other'])).states.keys()].sort()).toEqual([...keys].sort())
  }) // prettier-ignore

  test('every type of column takes its values, and shows them as they were', async () => {
    version++
    const columns = { a: 'UInt8', b: 'UInt16', c: 'UInt32', d: 'UInt64', e: 'Int8', f: 'Int16', g: 'Int32', h: 'Int64', i: 'Float64', j: 'Bool', k: 'String', l: 'LowCardinality(String)', m: 'UUID', n: 'Time' } as const
    const least = { a: 0, b: 0, c: 0, d: 0n, e: -128, f: -32768, g: -2147483648, h: -(2n ** 63n), i: -1.5e300, j: false, k: '', l: '', m: '00000000-0000-0000-0000-000000000000', n: 0n }
    const most = { a: 255, b: 65535, c: 4294967295, d: 2n ** 64n - 1n, e: 127, f: 32767, g: 2147483647, h: 2n ** 63n - 1n, i: 0.1, j: true, k: `${'long '.repeat(100)}žluť`, l: 'EUR', m: '0123ABCD-4567-89ab-cdef-0123456789ab', n: 1_700_000_000_123_456_789n }
    const projection: CodeProjection = { kind: 'code', name: 'types', version: 1, tables: { types: { columns, key: ['a'] } }, project: () => ({ types: [least, most] }) }
    const target = startCodeTarget({ store, layout: {}, projection, version, module: '', author: inlineAuthor(projection, CODE_LIMITS), log: () => undefined })
    await target.prepare()
    await target.write(rangeOf(EVENTS.slice(0, 1)))
    const rows = await store.query(`SELECT * EXCEPT (partition, sequence) REPLACE (toString(toUnixTimestamp64Nano(n)) AS n) FROM types_v${version} ORDER BY a`)
    const shown = (row: object): object => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : name === 'm' ? String(value).toLowerCase() : value as unknown]))
    expect(rows).toEqual([shown(least), shown(most)])
  }) // prettier-ignore

  test('an event that cannot be taken stops the range, stores nothing of it, and is named', async () => {
    version++
    const odd = await files.write('odd.mjs', doingAtFive('throw new Error("five")'))
    const target = startCodeTarget({
      store,
      layout: {},
      projection: ODD,
      version,
      module: odd,
      log: () => undefined,
    })
    await target.prepare()
    const fault = await target.write(rangeOf(EVENTS.slice(0, 9))).catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(EventFault)
    expect(fault).toMatchObject({ partition: 0, sequence: 5n, message: 'project threw: five (odd.mjs:5)' })
    expect(await store.query(`SELECT count() AS rows FROM odd_v${version}`)).toEqual([{ rows: '0' }])
    // An operator skips it: its bytes are taken out of the range.
    const { payloads, ...range } = rangeOf(EVENTS.slice(0, 9))
    await target.write({ ...range, payloads: payloads.filter((_, index) => index !== 4) })
    expect(await store.query(`SELECT count() AS rows FROM odd_v${version}`)).toEqual([{ rows: '8' }])
    await target.stop()
  })
})

function methodsOf(store: ViewStore): ViewStore {
  return {
    query: (...args) => store.query(...args),
    command: (...args) => store.command(...args),
    insertPayload: (...args) => store.insertPayload(...args),
    ping: (...args) => store.ping(...args),
    close: () => store.close(),
  }
}

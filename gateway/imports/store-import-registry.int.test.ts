import fc from 'fast-check'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { engineUnderTest, type EngineUnderTest } from '../../projectors/engine/engine-under-test.testing.ts'
import { createImportsTable, IMPORTS_TABLE } from '../../projectors/clickhouse/imports-table.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { beginning, describeImportRegistry, timesOf } from './import-registry-contract.ts'
import { createStoreImportRegistry } from './store-import-registry.ts'

let under: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  under = await engineUnderTest()
  store = createViewStore(under.engine)
})
afterAll(async () => {
  await store.close()
  await under.stop()
})

describeImportRegistry('the registry in the view store', async () => {
  await store.command(`DROP TABLE IF EXISTS ${IMPORTS_TABLE} SYNC`)
  await createImportsTable(store)
  return {
    registry: createStoreImportRegistry(store),
    later: createStoreImportRegistry(store),
  }
})

it('an insert that was repeated for want of an answer is one base time', async () => {
  await createImportsTable(store)
  const repeating = {
    query: store.query.bind(store),
    command: async (sql, parameters) => {
      await store.command(sql, parameters)
      await store.command(sql, parameters)
    },
  } as ViewStore
  await createStoreImportRegistry(repeating).begin('repeated', beginning(77, undefined, { partition: 3 }))
  expect(timesOf(await createStoreImportRegistry(store).times('repeated'), 3)).toEqual([77])
})

it('of several gateways that ask at once all are told the same base time', async () => {
  await createImportsTable(store)
  const gateways = [1, 2, 3].map(() => createStoreImportRegistry(store))
  for (const [beyond, name] of [[undefined, 'first'], [1, 'further']] as const) {
    if (beyond !== undefined) await gateways[0]!.begin(name, beginning(beyond))
    const told = await Promise.all(gateways.map((gateway, index) => gateway.begin(name, beginning(5 + index, beyond))))
    expect(new Set(told.map((times) => timesOf(times).join())).size).toBe(1)
    expect(timesOf(told[0]!)).toHaveLength(beyond === undefined ? 1 : 2)
  }
}) // prettier-ignore

/** A table in memory, on which any number of gateways take a step each in the order that a test says. */
class SteppedTable {
  readonly rows: {
    token: string
    base: string
    kind: number
    anchor: string
    chunk: number
    ordinal: number
  }[] = []
  readonly waiting: (() => void)[] = []

  store(): ViewStore {
    const step = <Value>(take: () => Value): Promise<Value> =>
      new Promise((resolve) => this.waiting.push(() => resolve(take())))
    return {
      query: (sql: string) =>
        step(() => {
          if (sql.includes('uniqExact')) return [{ others: '0', known: 0 }]
          const isAll = sql.includes('has_anchor = 3')
          return this.rows
            .filter(({ kind }) => !isAll || kind === 3)
            .sort((left, right) => (left.token < right.token ? -1 : 1))
            .map(({ base, ...row }) => ({ ...row, base_ms: base }))
        }),
      command: (_sql: string, values: (typeof this.rows)[number]) =>
        step(() => void this.rows.push({ ...values })),
    } as unknown as ViewStore
  }
}

it('whatever the order of their steps, and whoever dies on the way, no two gateways are told different base times', async () => {
  vi.useFakeTimers()
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(7), { minLength: 1, maxLength: 120 }), fc.nat(60), async (choices, dieAt) => {
        const table = new SteppedTable()
        const told: string[] = []
        let open = 3
        let hasDied = false
        for (const time of [5, 6, 7])
          void createStoreImportRegistry(table.store())
            .begin('a', beginning(time))
            .then((times) => told.push(timesOf(times).join()))
            .finally(() => open--)
        for (let steps = 0; open > 0 && steps < 2_000; steps++) {
          const choice = choices[steps % choices.length]!
          const [next] = table.waiting.splice(choice % Math.max(1, table.waiting.length), 1)
          // Who dies takes no further step; an insert on its way may arrive, or not.
          if (steps >= dieAt && next !== undefined && !hasDied) {
            hasDied = true
            open--
          } else next?.()
          await vi.advanceTimersByTimeAsync(next === undefined ? 50 : 0)
        }
        expect(new Set(told).size).toBe(1)
        expect(new Set(table.rows.filter(({ kind }) => kind === 3).map(({ base }) => base)).size).toBe(1)
      }),
      { numRuns: 60 },
    )
  } finally {
    vi.useRealTimers()
  }
}) // prettier-ignore

it('what earlier versions kept of chunks is told as base times under which rows may have happened', async () => {
  await createImportsTable(store)
  for (const [chunk, base] of [[0, 7], [1, 8], [1, 7]] as const)
    await store.command(
      `INSERT INTO ${IMPORTS_TABLE} (partition, import_name, chunk, ordinal, token, base_ms, has_anchor, anchor)
       SELECT 0, 'old', ${chunk}, 0, generateUUIDv4(), ${base}, 1, '0:ff'`,
    )
  const kept = await createStoreImportRegistry(store).times('old')
  expect([...kept.ofChunks].sort()).toEqual([7, 8])
  expect(timesOf(kept)).toEqual([])
}) // prettier-ignore

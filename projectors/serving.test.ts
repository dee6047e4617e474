import { describe, expect, it } from 'vitest'
import { OutageError, type QueryParameters, type ViewStore } from './clickhouse/view-store.ts'
import { fixedServing, servedStore, TableNotServedError, type Serving } from './serving.ts'
import { BUILT_IN_PROJECTIONS } from './views/built-in.ts'

interface Asked {
  readonly sql: string
  readonly parameters: QueryParameters | undefined
}

const unknownTable = Object.assign(new Error('Unknown table expression'), { code: '60' })

/** A store in which the tables of these names are; it says what it was asked. */
function storeOf(there: ReadonlySet<string>, asked: Asked[]): ViewStore {
  const run = (sql: string, parameters?: QueryParameters): void => {
    asked.push({ sql, parameters })
    for (const [, name] of sql.matchAll(/\{(\w+):Identifier\}/g))
      if (!there.has(String(parameters?.[name!]))) throw unknownTable
  }
  return {
    query: (sql: string, parameters?: QueryParameters) => Promise.resolve().then(() => (run(sql, parameters), [])),
    command: (sql: string, parameters?: QueryParameters) => Promise.resolve().then(() => run(sql, parameters)),
  } as unknown as ViewStore
} // prettier-ignore

function servingOf(tables: () => Readonly<Record<string, string>>, refresh?: () => Promise<void>): Serving {
  return { versionOf: () => 1, tables, positionOf: () => new Map(), ...(refresh && { refresh }) }
}

describe('a served store', () => {
  it('binds exactly the tables that a text names, beside what its caller binds', async () => {
    const asked: Asked[] = []
    const store = servedStore(storeOf(new Set(['history_v1', 'events_v1']), asked), fixedServing(BUILT_IN_PROJECTIONS)) // prettier-ignore
    const sql = 'SELECT {id:UInt8} FROM {history:Identifier} WHERE x IN (SELECT x FROM { events : Identifier } JOIN {history:Identifier})' // prettier-ignore
    await store.query(sql, { id: 7 })
    expect(asked).toEqual([{ sql, parameters: { id: 7, history: 'history_v1', events: 'events_v1' } }])
    await store.query('SELECT 1 FROM system.tables')
    expect(asked.at(-1)?.parameters).toBeUndefined()
    await store.command('TRUNCATE TABLE {history:Identifier}')
    expect(asked.at(-1)?.parameters).toEqual({ history: 'history_v1' })
  })

  it('leaves to its caller what he binds himself', async () => {
    const asked: Asked[] = []
    const store = servedStore(storeOf(new Set(['mine']), asked), servingOf(() => ({ history: 'history_v1' }))) // prettier-ignore
    await store.query('SELECT 1 FROM {history:Identifier}', { history: 'mine' })
    expect(asked).toMatchObject([{ parameters: { history: 'mine' } }])
  })

  it('says which tables there are where one is named that nobody serves, and that there are none as an outage', async () => {
    const serving = fixedServing(BUILT_IN_PROJECTIONS)
    const asked: Asked[] = []
    const read = (from: Serving) => servedStore(storeOf(new Set(), asked), from).query('SELECT 1 FROM {histroy:Identifier}') // prettier-ignore
    await expect(read(serving)).rejects.toThrow(TableNotServedError)
    await expect(read(serving)).rejects.toThrow(/has a table histroy\. There are: account_ids, .*history/)
    await expect(read(fixedServing([]))).rejects.toThrow(OutageError)
    expect(asked).toEqual([])
  })

  it('asks once more, and no more than once, where the version it named is gone and another serves', async () => {
    const asked: Asked[] = []
    let version = 1
    const store = servedStore(
      storeOf(new Set(['history_v2']), asked),
      servingOf(
        () => ({ history: `history_v${version}` }),
        () => Promise.resolve(void (version = 2)),
      ),
    )
    await store.query('SELECT 1 FROM {history:Identifier}')
    expect(asked.map(({ parameters }) => parameters)).toEqual([{ history: 'history_v1' }, { history: 'history_v2' }]) // prettier-ignore
    const none = servedStore(storeOf(new Set(), asked), servingOf(() => ({ history: `history_v${++version}` }))) // prettier-ignore
    asked.length = 0
    await expect(none.query('SELECT 1 FROM {history:Identifier}')).rejects.toBe(unknownTable)
    expect(asked).toHaveLength(2)
  })

  it('does not ask again where what serves is the same: then the table is missing', async () => {
    const asked: Asked[] = []
    const store = servedStore(storeOf(new Set(), asked), fixedServing(BUILT_IN_PROJECTIONS))
    await expect(store.query('SELECT 1 FROM {history:Identifier}')).rejects.toBe(unknownTable)
    expect(asked).toHaveLength(1)
  })
})

it('what is fixed serves one version of each, as declared or as said', () => {
  expect(fixedServing(BUILT_IN_PROJECTIONS).tables()).toMatchObject({
    events: 'events_v1',
    balances: 'balances_v1',
  })
  const third = fixedServing(BUILT_IN_PROJECTIONS, 3)
  expect([third.tables()['events'], third.versionOf('audit'), third.versionOf('none')]).toEqual(['events_v3', 3, undefined]) // prettier-ignore
})

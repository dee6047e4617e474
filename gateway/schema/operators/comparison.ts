/** Two versions of a projection side by side, as operators see it. */
import type { Comparison, CurrencyTotal, TableComparison } from '../../../projectors/proof/compare.ts'
import type { RowDifference } from '../../../projectors/proof/differing-rows.ts'
import type { SchemaKit } from '../kit.ts'

/** A value of each side. */
interface Sides<Value> {
  readonly left: Value
  readonly right: Value
}

export function addComparison({ builder }: SchemaKit) {
  const TableStateEnum = builder.enumType('TableState', {
    values: {
      EQUAL: { value: 'equal' },
      DIFFERENT: { value: 'different' },
      ONLY_LEFT: { value: 'only left' },
      ONLY_RIGHT: { value: 'only right' },
      NOT_COMPARABLE: { value: 'not comparable' },
    } as const,
  })

  const Counts = builder.objectRef<Sides<bigint>>('RowCounts').implement({
    description: 'Rows of both versions.',
    fields: (t) => ({
      left: t.field({ type: 'UInt64', resolve: ({ left }) => left }),
      right: t.field({ type: 'UInt64', resolve: ({ right }) => right }),
    }),
  })

  const Digests = builder.objectRef<Sides<string>>('RowDigests').implement({
    description:
      'Digests of the rows of both versions: equal on every run, however the rows came about. Hexadecimal.',
    fields: (t) => ({ left: t.exposeString('left'), right: t.exposeString('right') }),
  })

  const Total = builder.objectRef<CurrencyTotal>('ComparedTotal').implement({
    description: 'The sum of a column over the rows of one currency, in both versions.',
    fields: (t) => ({
      currency: t.exposeString('currency', { description: 'Empty: of accounts that are not known.' }),
      column: t.exposeString('column'),
      left: t.field({ type: 'MinorUnits', resolve: ({ left }) => left }),
      right: t.field({ type: 'MinorUnits', resolve: ({ right }) => right }),
    }),
  })

  const Difference = builder.objectRef<RowDifference>('RowDifference').implement({
    description: 'A key under which two versions hold different rows.',
    fields: (t) => ({
      key: t.string({
        description: 'The columns that name the row, as a JSON object.',
        resolve: ({ key }) => JSON.stringify(key),
      }),
      left: t.stringList({
        description:
          'The rows there, JSON objects. Empty: it is missing. Several: they contradict each other.',
        resolve: ({ left }) => left.map((row) => JSON.stringify(row)),
      }),
      right: t.stringList({ resolve: ({ right }) => right.map((row) => JSON.stringify(row)) }),
    }),
  })

  const Table = builder.objectRef<TableComparison>('ComparedTable').implement({
    fields: (t) => ({
      table: t.exposeString('table'),
      state: t.field({ type: TableStateEnum, resolve: ({ state }) => state }),
      reason: t.string({
        nullable: true,
        description: 'Why it is not equal. Null: it is.',
        resolve: ({ reason }) => reason ?? null,
      }),
      rows: t.field({ type: Counts, resolve: ({ rows }) => rows }),
      digests: t.field({ type: Digests, resolve: ({ digests }) => digests }),
      totals: t.field({ type: [Total], resolve: ({ totals }) => [...totals] }),
      differences: t.field({
        type: [Difference],
        description: 'The first differing rows, by key.',
        resolve: ({ differences }) => [...differences],
      }),
      hasMore: t.exposeBoolean('hasMore', { description: 'True if more rows differ than are named.' }),
      notCompared: t.stringList({
        description: 'Columns that only one of them has: `left: fee`.',
        resolve: ({ notCompared }) => notCompared.map(({ column, only }) => `${only}: ${column}`),
      }),
    }),
  })

  const ComparisonType = builder.objectRef<Comparison>('Comparison').implement({
    description: 'Two versions of a projection at one position. Left is the one that serves.',
    fields: (t) => ({
      projection: t.exposeString('projection'),
      left: t.exposeInt('left'),
      right: t.exposeInt('right'),
      at: t.field({ type: 'Position', resolve: ({ at }) => at }),
      equal: t.exposeBoolean('equal', { description: 'True if every table was compared, and is equal.' }),
      tables: t.field({ type: [Table], resolve: ({ tables }) => [...tables] }),
    }),
  })
  return { ComparisonType }
}

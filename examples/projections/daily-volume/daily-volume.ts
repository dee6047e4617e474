/** What was moved per day, currency and code: an SQL projection, its query, and its field of the schema. */
import {
  EVENT_KINDS,
  rowsOf,
  sqlProjection,
  within,
  type Position,
  type SchemaKit,
  type View,
  type ViewStore,
} from 'purser/projections'

/** A transfer between partitions counts once: where it was paid, when it is complete. */
const { TransferPosted, HoldPosted, HoldPostedInPart, TransferCompleted } = EVENT_KINDS
const { TransferReversed, TransferReversedInPart, TransferReversedByForce } = EVENT_KINDS
const PAID = [TransferPosted, HoldPosted, HoldPostedInPart, TransferCompleted].join()
/** A whole transfer, or a part of it, moved back. */
const MOVED_BACK = [TransferReversed, TransferReversedInPart, TransferReversedByForce].join()
/** Days times currencies times codes of one answer, at most. */
const LINES_MAX = 10_000

const projection = sqlProjection({
  name: 'daily_volume',
  version: 1,
  tables: [
    {
      name: 'daily_volume',
      columns: [
        ['partition', 'UInt16'],
        ['sequence', 'UInt64'],
        ['day', 'Date'],
        ['currency', 'LowCardinality(String)'],
        ['scale', 'UInt8'],
        ['code', 'UInt32'],
        ['is_reversal', 'UInt8'],
        ['amount', 'Int64'],
      ],
      // Days first: a question is about some days, and reads those alone. The sequence makes a row one for ever.
      key: ['day', 'currency', 'code', 'sequence'],
      select: `partition, sequence, toDate(effective_at) AS day,
        toLowCardinality(toStringCutToZero(currency)) AS currency, scale, code,
        toUInt8(kind IN (${MOVED_BACK})) AS is_reversal, amount`,
      where: `kind IN (${PAID}, ${MOVED_BACK})`,
    },
  ],
})

interface Line {
  readonly day: string
  readonly currency: string
  readonly scale: number
  readonly code: number
  readonly transfers: string
  readonly moved: string
  readonly reversed: string
}

/** Exact at `upTo`, whatever was delivered twice: DISTINCT drops repeats, no merge is waited for. */
function linesOf(store: ViewStore, from: string, to: string, upTo: Position): Promise<Line[]> {
  return store.query<Line>(
    `SELECT day, currency, scale, code, count() AS transfers,
       sumIf(amount, is_reversal = 0) AS moved, sumIf(amount, is_reversal = 1) AS reversed
     FROM (
       SELECT DISTINCT partition, sequence, day, currency, scale, code, is_reversal, amount
       FROM {daily_volume:Identifier}
       WHERE ${within(upTo)} AND day BETWEEN toDate({from:String}) AND toDate({to:String}))
     GROUP BY day, currency, scale, code ORDER BY day, currency, code LIMIT ${rowsOf(LINES_MAX)}`,
    { from, to },
  )
}

function addToSchema({ builder, Money }: SchemaKit): void {
  const DailyVolume = builder.objectRef<Line>('DailyVolume').implement({
    description: 'What was moved on one day, in one currency, under one code.',
    fields: (t) => ({
      day: t.exposeString('day'),
      code: t.field({ type: 'UInt32', resolve: ({ code }) => code }),
      transfers: t.field({ type: 'UInt64', resolve: ({ transfers }) => BigInt(transfers) }),
      moved: t.field({ type: Money, resolve: ({ moved, ...line }) => ({ ...line, minor: BigInt(moved) }) }),
      reversed: t.field({
        type: Money,
        resolve: ({ reversed, ...line }) => ({ ...line, minor: BigInt(reversed) }),
      }),
    }),
  })
  builder.queryField('dailyVolume', (t) =>
    t.field({
      type: [DailyVolume],
      description: 'What was moved per day (business time, UTC), currency and code.',
      args: {
        from: t.arg.string({ required: true, description: 'First day, such as 2026-03-01.' }),
        to: t.arg.string({ required: true, description: 'Last day.' }),
        after: t.arg({ type: 'Position', description: 'What the answer has to include.' }),
      },
      resolve: async (_root, { from, to, after }, { services, point }) => {
        const { upTo } = await point.of(projection.name, after)
        return linesOf(services.views.store, from, to, upTo)
      },
    }),
  )
}

export default { projection, addToSchema } satisfies View

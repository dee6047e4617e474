/**
 * Velocity: how many transfers an account pays in a sliding hour, and how much. What is more than usual is flagged, once, until
 * the account has calmed down. A code projection, since SQL sees one event at a time and this needs the hour before it.
 */
import {
  between,
  codeProjection,
  liveRows,
  rowsOf,
  slidingWindow,
  within,
  type ProjectionEvent,
  type RequestContext,
  type SchemaKit,
  type View,
  type Window,
} from 'purser/projections'

const HOUR_NS = 3_600_000_000_000n
/** More than this many payments, or minor units paid, within an hour are unusual. */
const PAYMENTS_MAX = 5
const AMOUNT_MAX = 1_000_000n
const FLAGS_MAX = 1_000

const hour = slidingWindow(HOUR_NS)

/** Kinds by which money leaves an account; the last two towards another partition, by TCC and by Saga. */
const PAYMENTS: ReadonlySet<string> = new Set([
  'TransferPosted',
  'HoldPosted',
  'HoldPostedInPart',
  'TransferConfirmed',
  'TransferDebited',
])

function isPayment({ kind }: ProjectionEvent): boolean {
  return PAYMENTS.has(kind)
}

const projection = codeProjection({
  name: 'velocity',
  version: 1,
  tables: {
    velocity_flags: {
      columns: {
        account: 'UInt32',
        at: 'Time',
        payments: 'UInt32',
        amount: 'Int64',
        currency: 'LowCardinality(String)',
        scale: 'UInt8',
        transfer: 'UUID',
      },
      key: ['account'],
    },
  },
  keysOf: (event) => (isPayment(event) ? [String(event.debit.number)] : []),
  initial: () => ({ window: hour.empty, isUnusual: false, flaggedAt: 0n }),
  fold: (state: { window: Window; isUnusual: boolean; flaggedAt: bigint }, event) => {
    const window = hour.add(state.window, event.recordedAtNs, event.amount)
    const isUnusual = window.count > PAYMENTS_MAX || window.sum > AMOUNT_MAX
    // Flagged when it becomes unusual; not again with each payment while it is.
    return { window, isUnusual, flaggedAt: isUnusual && !state.isUnusual ? event.sequence : state.flaggedAt }
  },
  project: (event, states) => ({
    velocity_flags: [...states.values()]
      .filter(({ flaggedAt }) => flaggedAt === event.sequence)
      .map(({ window }) => ({
        account: event.debit.number,
        at: event.recordedAtNs,
        payments: window.count,
        amount: window.sum,
        currency: event.currency,
        scale: event.scale,
        transfer: event.transferId,
      })),
  }),
})

interface Flag {
  readonly partition: number
  readonly sequence: string
  readonly account: number
  readonly at_ns: string
  readonly payments: number
  readonly amount: string
  readonly currency: string
  readonly scale: number
  readonly transfer: string
}

/** Flags of which the events are within a condition; repeats are dropped by the key. */
function flagsWhere(
  { services }: Pick<RequestContext, 'services'>,
  condition: string,
  limit: number,
  order = 'partition, sequence, account',
): Promise<Flag[]> {
  return services.views.store.query<Flag>(
    `SELECT partition, sequence, account, toUnixTimestamp64Nano(at) AS at_ns, payments, amount, currency, scale, transfer
     FROM {velocity_flags:Identifier} WHERE ${condition}
     ORDER BY ${order}
     LIMIT 1 BY partition, sequence, account LIMIT ${rowsOf(limit, FLAGS_MAX)}`,
  )
}

function addToSchema({ builder, Money }: SchemaKit): void {
  const VelocityFlag = builder.objectRef<Flag>('VelocityFlag').implement({
    description: 'An account that paid more, or more often, than is usual within an hour.',
    fields: (t) => ({
      accountId: t.field({
        type: 'UUID',
        resolve: ({ partition, account, sequence }, _args, { services }) =>
          services.views.accountIdOf({ partition, account }, BigInt(sequence)),
      }),
      at: t.field({ type: 'DateTime', resolve: ({ at_ns }) => BigInt(at_ns) }),
      payments: t.exposeInt('payments', { description: 'Within the hour that ended then.' }),
      amount: t.field({
        type: Money,
        description: 'Within the hour that ended then.',
        resolve: ({ amount, ...flag }) => ({ ...flag, minor: BigInt(amount) }),
      }),
      transferId: t.field({ type: 'UUID', resolve: ({ transfer }) => transfer }),
    }),
  })
  builder.queryField('velocityFlags', (t) =>
    t.field({
      type: [VelocityFlag],
      description: 'The newest flags first.',
      args: {
        first: t.arg.int({ defaultValue: 100, description: `1 to ${FLAGS_MAX}.` }),
        after: t.arg({ type: 'Position', description: 'What the answer has to include.' }),
      },
      resolve: async (_root, { first, after }, context) => {
        const { upTo } = await context.point.of(projection.name, after)
        return flagsWhere(context, within(upTo), first ?? FLAGS_MAX, 'at DESC, partition, account')
      },
    }),
  )
  builder.subscriptionField('velocityFlagged', (t) =>
    t.field({
      type: VelocityFlag,
      description: 'Each flag, as soon as velocityFlags shows it too.',
      args: {
        after: t.arg({ type: 'Position', description: 'First those behind it. Default: from now on.' }),
      },
      subscribe: (_root, { after }, context) =>
        liveRows(
          context,
          projection.name,
          (from, upTo, rowsMax) => flagsWhere(context, between(from, upTo), rowsMax),
          after,
        ),
      resolve: (flag: Flag) => flag,
    }),
  )
}

export default { projection, addToSchema } satisfies View

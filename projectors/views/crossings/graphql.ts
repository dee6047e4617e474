/** What the view of crossings brings to the schema: which transfers between partitions are under way, and what they wait for. */
import { badInput } from '../../../gateway/errors.ts'
import { AFTER_TEXT } from '../../../gateway/schema/find.ts'
import type { SchemaKit } from '../../../gateway/schema/kit.ts'
import { parseId } from '../../../schemas/ids.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import type { Position } from '../../../schemas/positions.ts'
import {
  OPEN_CROSSINGS_MAX,
  openCrossings,
  type OpenCrossing,
  type OpenCrossings,
  type OpenKind,
} from './open-crossings.ts'

interface CrossingsModel extends OpenCrossings {
  readonly position: Position
}

const FIRST_DEFAULT = 100

/** What a crossing waits for in each phase, for people. */
const WAITS_FOR: Readonly<Record<OpenKind, string>> = {
  TransferReserved: 'the credit side to reserve, or the deadline',
  TransferConfirmed: 'the credit side to credit',
  TransferDebited: 'the credit side to credit or refuse, or the deadline',
  TransferRecalled: 'the credit side to say whether it has credited',
  TransferCancelled: 'the credit side to release what it may have reserved',
  HoldReserved: 'the credit side to reserve, or the deadline',
  HoldConfirmed: 'its client, to post or void it, or for it to expire',
  HoldDrawn: 'the credit side to credit',
  HoldReleased: 'the credit side to release what is left, and posts under way to be credited',
}

export function addCrossings({ builder, EventKindEnum, Money }: SchemaKit): void {
  const Crossing = builder.objectRef<OpenCrossing>('Crossing').implement({
    description: 'A transfer or hold between two partitions that is under way.',
    fields: (t) => ({
      transferId: t.field({ type: 'UUID', resolve: ({ transferId }) => transferId }),
      phase: t.field({
        type: EventKindEnum,
        description: 'The last thing that happened to it at the debit account’s partition.',
        resolve: ({ kind }) => kind,
      }),
      waitsFor: t.string({
        description: 'What it waits for, for people.',
        resolve: ({ kind }) => WAITS_FOR[kind],
      }),
      begunAt: t.field({ type: 'DateTime', resolve: ({ begunAtNs }) => begunAtNs }),
      since: t.field({
        type: 'DateTime',
        description: 'Since when it is in this phase.',
        resolve: ({ sinceNs }) => sinceNs,
      }),
      deadline: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'When it is cancelled or asked back, where the credit side has not answered by then. Null: it is not given up.',
        resolve: ({ deadlineNs }) => deadlineNs ?? null,
      }),
      amount: t.field({
        type: Money,
        resolve: ({ amount, currency, scale }) => ({ minor: amount, currency, scale }),
      }),
      debitAccountId: t.field({ type: 'UUID', resolve: ({ debitAccountId }) => debitAccountId }),
      creditAccountId: t.field({ type: 'UUID', resolve: ({ creditAccountId }) => creditAccountId }),
      debitPartition: t.int({ resolve: ({ source }) => source }),
      creditPartition: t.int({
        resolve: ({ creditAccountId }, _args, { services }) =>
          partitionOf(parseId(creditAccountId)!, services.submitter.partitions),
      }),
      channel: t.int({
        description: 'Its channel at the debit account’s partition (docs/coordination.md).',
        resolve: ({ channel }) => channel,
      }),
    }),
  })

  const OpenCrossingsType = builder.objectRef<CrossingsModel>('OpenCrossings').implement({
    fields: (t) => ({
      count: t.field({
        type: 'UInt64',
        description: 'How many are under way.',
        resolve: ({ count }) => count,
      }),
      crossings: t.field({
        type: [Crossing],
        description:
          'Those that have stood still for longest, and behind them holds that wait for their clients.',
        resolve: ({ crossings }) => [...crossings],
      }),
      position: t.field({ type: 'Position', resolve: ({ position }) => position }),
    }),
  })

  builder.queryField('openCrossings', (t) =>
    t.field({
      type: OpenCrossingsType,
      description: 'For operators: the transfers and holds between partitions that are under way.',
      args: {
        first: t.arg.int({
          description: `How many to list: 1 to ${OPEN_CROSSINGS_MAX}. Default ${FIRST_DEFAULT}.`,
        }),
        after: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { first, after }, { services, point }) => {
        const limit = first ?? FIRST_DEFAULT
        if (limit < 1 || limit > OPEN_CROSSINGS_MAX)
          throw badInput('first', `A number from 1 to ${OPEN_CROSSINGS_MAX}.`)
        const { upTo } = await point.of('crossings', after ?? undefined)
        return { ...(await openCrossings(services.views.store, upTo, limit)), position: upTo }
      },
    }),
  )
}

/** Subscriptions of the ledger itself: the state of a transfer. */
import { formatId } from '../../schemas/ids.ts'
import { isTerminal } from '../live/transfer-state.ts'
import { transferStatus, type StatusItem } from '../live/transfer-status.ts'
import { isOfCrossing, phaseOf } from '../outcomes/crossings/life.ts'
import type { SchemaKit } from './kit.ts'
import { refusalOf } from './transfer.ts'
import { crossingModel, transferModel } from './transfers/model.ts'

interface StatusModel extends StatusItem {
  readonly id: string
}

export function addSubscriptions({
  builder,
  Refusal,
  Transfer,
  TransferPhaseEnum,
  TransferStateEnum,
}: SchemaKit): void {
  const TransferStatus = builder.objectRef<StatusModel>('TransferStatus').implement({
    description: 'Where a transfer stands since one of its events.',
    fields: (t) => ({
      transferId: t.field({ type: 'UUID', resolve: ({ id }) => id }),
      state: t.field({ type: TransferStateEnum, resolve: ({ state }) => state }),
      phase: t.field({
        type: TransferPhaseEnum,
        nullable: true,
        description: 'How far it has come from one partition to another. Null: it stays within one.',
        resolve: ({ event }) => phaseOf(event) ?? null,
      }),
      terminal: t.boolean({
        description: 'True if it is decided: the last item of the subscription.',
        resolve: ({ state }) => isTerminal(state),
      }),
      refusal: t.field({
        type: Refusal,
        nullable: true,
        resolve: ({ event }) => refusalOf(event),
      }),
      recordedAt: t.field({ type: 'DateTime', resolve: ({ event }) => event.recordedAtNs }),
      transfer: t.field({
        type: Transfer,
        nullable: true,
        description:
          'The transfer, or what ended the hold, as this event tells of it. Null: a hold that expired.',
        resolve: ({ event }) =>
          isOfCrossing(event) ? crossingModel(event) : (transferModel([event], []) ?? null),
      }),
      position: t.field({
        type: 'Position',
        description:
          'Where the log has this state, and all that was told before. Subscribe "after" it to go on behind it.',
        resolve: ({ position }) => position,
      }),
    }),
  })

  builder.subscriptionField('transferStatus', (t) =>
    t.field({
      type: TransferStatus,
      description:
        'Where a transfer stands, then each change, until it is decided. One that does not exist yet is waited for. ' +
        'Of a transfer from one partition to another each phase is told, in the order of cause and effect.',
      args: {
        id: t.arg({ type: 'UUID', required: true }),
        after: t.arg({
          type: 'Position',
          description:
            'What the first item has to include. Phases of a transfer across partitions that it includes are not told again.',
        }),
      },
      subscribe: (_root, { id, after }, { services }) =>
        transferStatus(services, formatId(id), after ?? undefined),
      resolve: (item: StatusItem, { id }) => ({ ...item, id: formatId(id) }),
    }),
  )
}

/** Subscriptions of the ledger itself: the state of a transfer. */
import { formatId } from '../../schemas/ids.ts'
import { isTerminal } from '../live/transfer-state.ts'
import { transferStatus, type StatusItem } from '../live/transfer-status.ts'
import { positionAt } from '../positions/tokens.ts'
import type { SchemaKit } from './kit.ts'
import { transferModel } from './transfer.ts'

interface StatusModel extends StatusItem {
  readonly id: string
}

export function addSubscriptions({ builder, Refusal, Transfer, TransferStateEnum }: SchemaKit): void {
  const TransferStatus = builder.objectRef<StatusModel>('TransferStatus').implement({
    description: 'Where a transfer stands since one of its events.',
    fields: (t) => ({
      transferId: t.field({ type: 'UUID', resolve: ({ id }) => id }),
      state: t.field({ type: TransferStateEnum, resolve: ({ state }) => state }),
      terminal: t.boolean({
        description: 'True if it is decided: the last item of the subscription.',
        resolve: ({ state }) => isTerminal(state),
      }),
      refusal: t.field({
        type: Refusal,
        nullable: true,
        resolve: ({ event }) => (event.refusal === undefined ? null : { code: event.refusal }),
      }),
      recordedAt: t.field({ type: 'DateTime', resolve: ({ event }) => event.recordedAtNs }),
      transfer: t.field({
        type: Transfer,
        nullable: true,
        description:
          'The transfer, or what ended the hold, as this event tells of it. Null: a hold that expired.',
        resolve: ({ event }) => transferModel([event], []) ?? null,
      }),
      position: t.field({
        type: 'Position',
        description: 'Where the log has this state.',
        resolve: ({ event }) => positionAt(event),
      }),
    }),
  })

  builder.subscriptionField('transferStatus', (t) =>
    t.field({
      type: TransferStatus,
      description:
        'Where a transfer stands, then each change, until it is decided. One that does not exist yet is waited for.',
      args: {
        id: t.arg({ type: 'UUID', required: true }),
        after: t.arg({ type: 'Position', description: 'What the first item has to include.' }),
      },
      subscribe: (_root, { id, after }, { services }) =>
        transferStatus(services, formatId(id), after ?? undefined),
      resolve: (item: StatusItem, { id }) => ({ ...item, id: formatId(id) }),
    }),
  )
}

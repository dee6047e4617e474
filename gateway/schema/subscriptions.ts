/** Subscriptions: where a transfer stands, and what happens to an account. */
import { formatId } from '../../schemas/ids.ts'
import { accountActivity, type ActivityItem } from '../live/activity.ts'
import { badInput, fault } from '../errors.ts'
import { sequenceOf } from '../positions/deployment-tokens.ts'
import type { Services } from '../services.ts'
import { positionAt } from '../positions/tokens.ts'
import { transferStatus, type StatusItem } from '../live/transfer-status.ts'
import type { AccountIdentity } from '../read/views.ts'
import { builder } from './builder.ts'
import { HistoryEntry } from './history.ts'
import { Refusal, Transfer, transferModel, TransferStateEnum } from './transfer.ts'
import { isTerminal } from '../live/transfer-state.ts'

interface StatusModel extends StatusItem {
  readonly id: string
}

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

interface ActivityModel {
  readonly identity: AccountIdentity
  readonly item: ActivityItem
}

builder.subscriptionField('accountActivity', (t) =>
  t.field({
    type: HistoryEntry,
    description:
      'Each entry of an account as it happens. With "after": first those behind it, then live, without gap or repeat.',
    args: {
      accountId: t.arg({ type: 'UUID', required: true }),
      after: t.arg({
        type: 'Position',
        description: 'Position of the last entry that you have. Without it: from now on.',
      }),
    },
    subscribe: async (_root, { accountId, after }, { services }) => {
      const identity = await findAccount(services, formatId(accountId))
      const sequence = after ? sequenceOf(after, identity.partition, 'after') : undefined
      return withIdentity(accountActivity(services, identity, sequence), identity)
    },
    resolve: ({ item, identity }: ActivityModel, _args, { services }) => {
      if (item.kind === 'entry') return { identity, row: item.row }
      throw fault(
        'SUBSCRIPTION_LAGGED',
        'More happened than was read. Subscribe again "after" this position.',
        {
          position: services.tokens.position(
            positionAt({ partition: identity.partition, sequence: item.sequence }),
          ),
        },
      )
    },
  }),
)

/** The account, also if it was opened a moment ago. */
async function findAccount(services: Services, id: string): Promise<AccountIdentity> {
  const { views, feed } = services
  const found =
    views.rememberedIdentity(id) ??
    (await views.identity(views.points.current(), id)) ??
    (await views.identity(await views.points.at(feed.position()), id))
  if (found === undefined) throw badInput('accountId', 'There is no account with this id.')
  return found
}

/** The same stream with the account beside each item; what the executor maps over has to let go at once, too. */
function withIdentity(
  items: AsyncGenerator<ActivityItem, undefined, undefined>,
  identity: AccountIdentity,
): AsyncIterable<ActivityModel> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const { value, done } = await items.next()
        return done === true ? { value: undefined, done } : { value: { identity, item: value }, done: false }
      },
      return: async () => {
        await items.return(undefined)
        return { value: undefined, done: true }
      },
    }),
  }
}

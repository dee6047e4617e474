/** Accounts. */
import type { AccountStatus } from '../../projectors/views/balances/accounts.ts'
import { OVERDRAFT_UNLIMITED } from '../../schemas/money.ts'
import type { ReadPoint } from '../read/read-points.ts'
import { ownerTag } from '../positions/deployment-tokens.ts'
import type { AccountsCursorKey } from '../positions/tokens.ts'
import type { AccountIdentity } from '../read/views.ts'
import { AsOfInput, builder } from './builder.ts'
import { momentOf, neededFor, readBalance } from './balances.ts'
import { historyArguments, HistoryConnection, readHistory } from './history.ts'
import { Balance, lagOf, Money } from './money.ts'
import { Node, PageInfo, type NodeModel, type PageInfoModel } from './node.ts'

export interface AccountModel extends NodeModel {
  readonly type: 'Account'
  readonly identity: AccountIdentity
  readonly status: AccountStatus
  /** The point at which it and everything below it is read. */
  readonly point: () => Promise<ReadPoint>
}

export function accountModel(
  identity: AccountIdentity,
  status: AccountStatus,
  point: ReadPoint | (() => Promise<ReadPoint>),
): AccountModel {
  return {
    type: 'Account',
    nodeId: identity.accountId,
    identity,
    status,
    point: typeof point === 'function' ? point : () => Promise.resolve(point),
  }
}

const AccountStatusEnum = builder.enumType('AccountStatus', {
  values: {
    OPEN: { value: 'open' },
    FROZEN: { value: 'frozen', description: 'Moves nothing, until it is unfrozen.' },
    CLOSED: { value: 'closed', description: 'For ever.' },
  } as const,
})

export const Account = builder.objectRef<AccountModel>('Account').implement({
  description: 'A wallet of one owner in one currency.',
  interfaces: [Node],
  isTypeOf: (value) => (value as Partial<AccountModel>).type === 'Account',
  fields: (t) => ({
    owner: t.string({ resolve: ({ identity }) => identity.owner }),
    currency: t.string({ resolve: ({ identity }) => identity.currency }),
    scale: t.int({ resolve: ({ identity }) => identity.scale }),
    status: t.field({ type: AccountStatusEnum, resolve: ({ status }) => status }),
    system: t.boolean({
      description: 'True for an account at which money enters or leaves: it may go below zero without limit.',
      resolve: ({ identity }) => identity.overdraftLimit === OVERDRAFT_UNLIMITED,
    }),
    overdraftLimit: t.field({
      type: Money,
      nullable: true,
      description: 'How far below zero it may go. Null: without limit.',
      resolve: ({ identity: { overdraftLimit, currency, scale } }) =>
        overdraftLimit === OVERDRAFT_UNLIMITED ? null : { minor: overdraftLimit, currency, scale },
    }),
    openedAt: t.field({ type: 'DateTime', resolve: ({ identity }) => identity.openedAtNs }),
    balance: t.field({
      type: Balance,
      description: 'What it has, now or as of a moment that has gone by.',
      args: { at: t.arg({ type: AsOfInput }) },
      resolve: async ({ identity, point }, { at }, { services, point: request }) => {
        const moment = momentOf(at)
        const needed = neededFor(moment, services, 'at.time')
        const own = await point()
        return readBalance(
          services,
          identity,
          needed === undefined ? own : await request.later(needed),
          moment,
        )
      },
    }),
    history: t.field({
      type: HistoryConnection,
      description: 'What happened to it, as a Relay connection.',
      args: historyArguments,
      resolve: async ({ identity, point }, args, context) =>
        readHistory(context, identity, args, await point()),
    }),
    position: t.field({
      type: 'Position',
      description: 'The position that this answer reflects.',
      resolve: async ({ point }) => (await point()).upTo,
    }),
    lagSeconds: t.float({
      description: 'How far this answer may be behind the log, in seconds.',
      resolve: (_account, _args, context) => lagOf(context),
    }),
  }),
})

export function cursorKeyOfAccount({ identity }: AccountModel): AccountsCursorKey {
  const { partition, account, openedSequence, owner } = identity
  return { list: 'accounts', partition, account, sequence: openedSequence, owner: ownerTag(owner) }
}

const AccountEdge = builder.objectRef<AccountModel>('AccountEdge').implement({
  fields: (t) => ({
    cursor: t.field({ type: 'Cursor', resolve: (account) => cursorKeyOfAccount(account) }),
    node: t.field({ type: Account, resolve: (account) => account }),
  }),
})

export interface AccountsModel {
  readonly accounts: readonly AccountModel[]
  readonly pageInfo: PageInfoModel
  readonly point: ReadPoint
}

export const AccountConnection = builder.objectRef<AccountsModel>('AccountConnection').implement({
  description: 'Accounts in the order in which they were opened.',
  fields: (t) => ({
    edges: t.field({ type: [AccountEdge], resolve: ({ accounts }) => [...accounts] }),
    nodes: t.field({ type: [Account], resolve: ({ accounts }) => [...accounts] }),
    pageInfo: t.field({ type: PageInfo, resolve: ({ pageInfo }) => pageInfo }),
    position: t.field({ type: 'Position', resolve: ({ point }) => point.upTo }),
    lagSeconds: t.float({ resolve: (_page, _args, context) => lagOf(context) }),
  }),
})

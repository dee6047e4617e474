/** Accounts: what each of them is. What they have, and what happened to them, views add (`projectors/views/`). */
import type { AccountStatus } from '../../projectors/views/balances/accounts.ts'
import { OVERDRAFT_UNLIMITED } from '../../schemas/money.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { AccountIdentity } from '../read/views.ts'
import type { Builder } from './builder.ts'
import { lagOf, type MoneyTypes } from './money.ts'
import type { NodeModel, NodeTypes } from './node.ts'

export interface AccountModel extends NodeModel {
  readonly type: 'Account'
  readonly identity: AccountIdentity
  readonly status: AccountStatus
  /** The point at which the account and every field below it is read. */
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

export type AccountTypes = ReturnType<typeof addAccount>

export function addAccount(builder: Builder, { Node, Money }: NodeTypes & MoneyTypes) {
  const AccountStatusEnum = builder.enumType('AccountStatus', {
    values: {
      OPEN: { value: 'open' },
      FROZEN: { value: 'frozen', description: 'Moves nothing, until it is unfrozen.' },
      CLOSED: { value: 'closed', description: 'For ever.' },
    } as const,
  })

  const Account = builder.objectRef<AccountModel>('Account').implement({
    description: 'A wallet of one owner in one currency.',
    interfaces: [Node],
    isTypeOf: (value) => (value as Partial<AccountModel>).type === 'Account',
    fields: (t) => ({
      owner: t.string({ resolve: ({ identity }) => identity.owner }),
      currency: t.string({ resolve: ({ identity }) => identity.currency }),
      scale: t.int({ resolve: ({ identity }) => identity.scale }),
      status: t.field({ type: AccountStatusEnum, resolve: ({ status }) => status }),
      system: t.boolean({
        description:
          'True for an account at which money enters or leaves: it may go below zero without limit.',
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

  return { Account }
}

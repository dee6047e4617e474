/** Money, and what an account has. */
import type { Totals } from '../../schemas/events.ts'
import { formatMajor, OVERDRAFT_UNLIMITED } from '../../schemas/money.ts'
import type { Position } from '../../schemas/positions.ts'
import type { RequestContext } from '../services.ts'
import type { AccountIdentity } from '../read/views.ts'
import type { Builder } from './builder.ts'

export interface MoneyModel {
  readonly minor: bigint
  readonly currency: string
  readonly scale: number
}

/**
 * An account's totals at a position. The account is looked up later if the event that brought the totals names only a
 * number.
 */
export interface BalanceModel {
  readonly identity: AccountIdentity | (() => Promise<AccountIdentity>)
  readonly totals: Totals
  readonly version: bigint
  readonly position: Position
  /** When the last entry in these totals was recorded; undefined: there was none. */
  readonly recordedAtNs: bigint | undefined
  /** True if it is read from the present views: their lag then says how old it may be. */
  readonly isLive: boolean
}

async function identityOf({ identity }: BalanceModel): Promise<AccountIdentity> {
  return typeof identity === 'function' ? identity() : identity
}

/**
 * Money in the account's currency. Stays synchronous if the account is known, because most balances are read by the
 * thousand.
 */
function moneyOf(
  balance: BalanceModel,
  minor: (identity: AccountIdentity) => bigint,
): MoneyModel | Promise<MoneyModel> {
  const make = (identity: AccountIdentity): MoneyModel => ({
    minor: minor(identity),
    currency: identity.currency,
    scale: identity.scale,
  })
  return typeof balance.identity === 'function' ? balance.identity().then(make) : make(balance.identity)
}

export function balanceOfTotals({ creditsPosted, debitsPosted }: Totals): bigint {
  return creditsPosted - debitsPosted
}

/** The amount that may still be spent; undefined: no limit. */
function availableOf(totals: Totals, overdraftLimit: bigint): bigint | undefined {
  if (overdraftLimit === OVERDRAFT_UNLIMITED) return undefined
  return balanceOfTotals(totals) - totals.debitsPending + overdraftLimit
}

export function lagOf({ services }: RequestContext): number {
  return services.views.points.lagSeconds()
}

export type MoneyTypes = ReturnType<typeof addMoney>

export function addMoney(builder: Builder) {
  const Money = builder.objectRef<MoneyModel>('Money').implement({
    description: 'An amount in a currency. Calculate with `minor`; `major` is for people.',
    fields: (t) => ({
      minor: t.expose('minor', { type: 'MinorUnits', description: 'Whole number of minor units.' }),
      currency: t.exposeString('currency', { description: 'Code of the currency.' }),
      scale: t.exposeInt('scale', { description: 'Decimal places of the minor unit.' }),
      major: t.string({
        description: 'The amount as a decimal number, such as "12.50".',
        resolve: ({ minor, scale }) => formatMajor(minor, scale),
      }),
    }),
  })

  const Balance = builder.objectRef<BalanceModel>('Balance').implement({
    description: 'What an account has at a position: four running totals, and what follows from them.',
    fields: (t) => ({
      accountId: t.field({
        type: 'UUID',
        resolve: async (balance) => (await identityOf(balance)).accountId,
      }),
      balance: t.field({
        type: Money,
        description: 'Credits posted less debits posted.',
        resolve: (balance) => moneyOf(balance, () => balanceOfTotals(balance.totals)),
      }),
      held: t.field({
        type: Money,
        description: 'Reserved by holds that are open: debits pending.',
        resolve: (balance) => moneyOf(balance, () => balance.totals.debitsPending),
      }),
      available: t.field({
        type: Money,
        nullable: true,
        description:
          'Balance less held, plus the overdraft limit of then. Null: no limit (a system account).',
        resolve: async (balance, _args, { services }) => {
          const identity = await identityOf(balance)
          const limit = await services.views.limitAt(identity, balance.version)
          const minor = availableOf(balance.totals, limit)
          return minor === undefined ? null : { minor, currency: identity.currency, scale: identity.scale }
        },
      }),
      debitsPosted: t.field({
        type: Money,
        resolve: (balance) => moneyOf(balance, () => balance.totals.debitsPosted),
      }),
      debitsPending: t.field({
        type: Money,
        resolve: (balance) => moneyOf(balance, () => balance.totals.debitsPending),
      }),
      creditsPosted: t.field({
        type: Money,
        resolve: (balance) => moneyOf(balance, () => balance.totals.creditsPosted),
      }),
      creditsPending: t.field({
        type: Money,
        resolve: (balance) => moneyOf(balance, () => balance.totals.creditsPending),
      }),
      version: t.field({
        type: 'UInt64',
        description: 'Entries of the account up to here.',
        resolve: ({ version }) => version,
      }),
      position: t.field({
        type: 'Position',
        description: 'The position that this answer reflects.',
        resolve: ({ position }) => position,
      }),
      recordedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When the entry that left these totals was recorded. Null: there was none.',
        resolve: ({ recordedAtNs }) => recordedAtNs ?? null,
      }),
      lagSeconds: t.float({
        description:
          'How far this answer may be behind the log, in seconds. 0 for a moment that has gone by.',
        resolve: (balance, _args, context) => (balance.isLive ? lagOf(context) : 0),
      }),
    }),
  })

  return { Money, Balance }
}

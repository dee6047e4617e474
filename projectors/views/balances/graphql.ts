/** What the view of balances brings to the schema: accounts by id and owner, what they have, and the trial balance. */
import { inAccountsOf, ownerTag } from '../../../gateway/positions/deployment-tokens.ts'
import { positionAt, type AccountsCursorKey } from '../../../gateway/positions/tokens.ts'
import { PAGE_ITEMS_DEFAULT } from '../../../gateway/bounds.ts'
import { badInput } from '../../../gateway/errors.ts'
import type { ReadPoint } from '../../../gateway/read/read-points.ts'
import type { AccountIdentity } from '../../../gateway/read/views.ts'
import { accountModel, type AccountModel } from '../../../gateway/schema/account.ts'
import { accountOf, AFTER_TEXT, findAt, readAccount } from '../../../gateway/schema/find.ts'
import type { SchemaKit } from '../../../gateway/schema/kit.ts'
import {
  checkMoment,
  joined,
  momentOf,
  neededFor,
  pointFor,
  positionOf,
} from '../../../gateway/schema/moments.ts'
import { lagOf, type BalanceModel } from '../../../gateway/schema/money.ts'
import type { PageInfoModel } from '../../../gateway/schema/node.ts'
import { cutPage, itemsOf } from '../../../gateway/schema/paging.ts'
import type { RequestContext, Services } from '../../../gateway/services.ts'
import type { Totals } from '../../../schemas/events.ts'
import { formatId } from '../../../schemas/ids.ts'
import { OWNER_BYTES_MAX } from '../../../schemas/limits.ts'
import { includesPosition, type Position } from '../../../schemas/positions.ts'
import { accountsByOwner } from './accounts.ts'
import type { Moment } from './balances.ts'
import { consistentCut } from '../crossings/consistent-cut.ts'
import { trialBalance, type TrialBalanceRow } from './trial-balance.ts'

export function addBalances(kit: SchemaKit): void {
  addAccounts(kit)
  addBalance(kit)
  addTrialBalance(kit)
}

function cursorKeyOfAccount({ identity }: AccountModel): AccountsCursorKey {
  const { partition, account, openedSequence, owner } = identity
  return { list: 'accounts', partition, account, sequence: openedSequence, owner: ownerTag(owner) }
}

interface AccountsModel {
  readonly accounts: readonly AccountModel[]
  readonly pageInfo: PageInfoModel
  readonly point: ReadPoint
}

function addAccounts({ builder, Account, PageInfo }: SchemaKit): void {
  const AccountEdge = builder.objectRef<AccountModel>('AccountEdge').implement({
    fields: (t) => ({
      cursor: t.field({ type: 'Cursor', resolve: (account) => cursorKeyOfAccount(account) }),
      node: t.field({ type: Account, resolve: (account) => account }),
    }),
  })

  const AccountConnection = builder.objectRef<AccountsModel>('AccountConnection').implement({
    description: 'Accounts in the order in which they were opened.',
    fields: (t) => ({
      edges: t.field({ type: [AccountEdge], resolve: ({ accounts }) => [...accounts] }),
      nodes: t.field({ type: [Account], resolve: ({ accounts }) => [...accounts] }),
      pageInfo: t.field({ type: PageInfo, resolve: ({ pageInfo }) => pageInfo }),
      position: t.field({ type: 'Position', resolve: ({ point }) => point.upTo }),
      lagSeconds: t.float({ resolve: (_page, _args, context) => lagOf(context) }),
    }),
  })

  builder.queryField('account', (t) =>
    t.field({
      type: Account,
      nullable: true,
      description: 'An account. Null: there is none with this id.',
      args: {
        id: t.arg({ type: 'UUID', required: true }),
        after: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { id, after }, context) => {
        const point = await context.point.at(after)
        const account = await findAt(context, point, (at) => readAccount(context, formatId(id), at))
        return account?.found ?? null
      },
    }),
  )

  builder.queryField('accounts', (t) =>
    t.field({
      type: AccountConnection,
      description: 'The accounts of an owner, in the order in which they were opened.',
      args: {
        owner: t.arg.string({ required: true }),
        first: t.arg.int({ description: `Default ${PAGE_ITEMS_DEFAULT}.` }),
        after: t.arg({ type: 'Cursor' }),
        afterPosition: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { owner, first, after, afterPosition }, context) => {
        if (Buffer.byteLength(owner) > OWNER_BYTES_MAX)
          throw badInput('owner', `Longer than ${OWNER_BYTES_MAX} bytes of UTF-8.`)
        const items = itemsOf(first ?? PAGE_ITEMS_DEFAULT, 'first')
        const behind = after ? inAccountsOf(after, owner, 'after') : undefined
        const place = behind && positionAt(behind)
        const point = await context.point.at(joined(afterPosition ?? undefined, place))
        const rows = await accountsByOwner(
          context.services.views.store,
          owner,
          { limit: items + 1, ...(behind && { after: behind }) },
          point.upTo,
        )
        const page = cutPage(
          rows.map((row) => accountModel(row, row.status, point)),
          { items, backward: false },
          { after },
          cursorKeyOfAccount,
        )
        return { accounts: page.rows, pageInfo: page.pageInfo, point }
      },
    }),
  )
}

const NO_TOTALS: Totals = { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n }

/**
 * An account's balance at the point, or as of a moment before it. An account not yet open by then has nothing.
 * @throws Fault BAD_USER_INPUT for a position that does not name the account's partition
 */
async function readBalance(
  services: Services,
  identity: AccountIdentity,
  point: ReadPoint,
  moment: Moment | undefined,
): Promise<BalanceModel> {
  checkMoment(moment, [identity.partition])
  const row =
    moment === undefined
      ? await services.views.balance(point, identity)
      : await services.views.balanceAsOf(point, identity, moment)
  return {
    identity,
    totals: row ?? NO_TOTALS,
    version: row?.version ?? 0n,
    position: positionOf(point, moment),
    recordedAtNs: row?.recordedAtNs,
    isLive: moment === undefined,
  }
}

/**
 * A balance from memory, if the account was asked for lately and nothing else of the request is read from the views.
 * Its position is the feed's, so `after` is nearly always included already.
 */
function readHotBalance(
  { services }: RequestContext,
  accountId: string,
  after: Position | null | undefined,
): BalanceModel | undefined {
  const identity = services.views.rememberedIdentity(accountId)
  if (identity === undefined || services.feed.failure(identity.partition) !== undefined) return undefined
  const hot = services.hot.read(identity, services.feed)
  if (hot === undefined || (after && !includesPosition(hot.position, after))) return undefined
  const { totals, position } = hot
  return {
    identity,
    totals,
    version: totals.version,
    position,
    recordedAtNs: totals.recordedAtNs,
    isLive: false,
  }
}

function addBalance({ builder, Account, AsOfInput, Balance }: SchemaKit): void {
  builder.objectField(Account, 'balance', (t) =>
    t.field({
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
  )

  builder.queryField('balance', (t) =>
    t.field({
      type: Balance,
      description: 'What an account has, now or as of a moment that has gone by.',
      args: {
        accountId: t.arg({ type: 'UUID', required: true }),
        at: t.arg({ type: AsOfInput }),
        after: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { accountId, at, after }, context) => {
        const id = formatId(accountId)
        const moment = momentOf(at)
        if (moment === undefined && context.onlyBalances) {
          const hot = readHotBalance(context, id, after)
          if (hot !== undefined) return hot
        }
        const needed = neededFor(moment, context.services, 'at.time')
        const point = await pointFor(context, moment, joined(after ?? undefined, needed))
        const account = await accountOf(context, id, point)
        return readBalance(context.services, account.found, account.point, moment)
      },
    }),
  )
}

interface TrialBalanceModel {
  readonly row: TrialBalanceRow
  readonly position: Position
  readonly isLive: boolean
}

const sumFields = {
  debitsPosted: 'All debits posted.',
  creditsPosted: 'All credits posted.',
  sum: 'Credits less debits: zero, always.',
  held: 'All debits pending.',
  incoming: 'All credits pending: as much as is held.',
  inTransit:
    'What has left one partition and not reached another: part of the sum, on accounts of its own. As of a time, partitions are not cut at one moment, and it may even be below zero.',
} as const

function addTrialBalance({ builder, Money, AsOfInput }: SchemaKit): void {
  const TrialBalance = builder.objectRef<TrialBalanceModel>('TrialBalance').implement({
    description: 'What all accounts of a currency have together.',
    fields: (t) => ({
      currency: t.string({ resolve: ({ row }) => row.currency }),
      accounts: t.field({ type: 'UInt64', description: 'How many.', resolve: ({ row }) => row.accounts }),
      ...(Object.fromEntries(
        Object.entries(sumFields).map(([name, description]) => [
          name,
          t.field({
            type: Money,
            description,
            resolve: ({ row }) => ({
              minor: row[name as keyof typeof sumFields],
              currency: row.currency,
              scale: row.scale,
            }),
          }),
        ]),
      ) as Record<keyof typeof sumFields, ReturnType<typeof t.field>>),
      position: t.field({
        type: 'Position',
        description:
          'Where it was taken. Over several partitions a consistent cut: no credit without its debit in another partition.',
        resolve: ({ position }) => position,
      }),
      lagSeconds: t.float({ resolve: ({ isLive }, _args, context) => (isLive ? lagOf(context) : 0) }),
    }),
  })

  builder.queryField('trialBalance', (t) =>
    t.field({
      type: [TrialBalance],
      description:
        'Per currency, what all accounts have together. Reads every account; as of a past moment, every entry.',
      args: {
        currency: t.arg.string({ description: 'This one only.' }),
        at: t.arg({ type: AsOfInput }),
        after: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { currency, at, after }, context) => {
        const moment = momentOf(at)
        const needed = neededFor(moment, context.services, 'at.time')
        checkMoment(moment, context.services.heads.position().keys())
        const wanted = joined(after ?? undefined, needed)
        const { projections, views } = context.services
        for (;;) {
          const point = await pointFor(context, moment, wanted)
          const position = positionOf(point, moment)
          // Between partitions only a consistent cut says how much is in transit. A time is no cut: clocks differ.
          const isCut = position.size > 1 && (moment === undefined || moment.kind === 'position')
          if (isCut) await context.point.alsoOf('crossings', point)
          const cut = isCut ? await consistentCut(views.store, position) : position
          const rows = await (isCut
            ? trialBalance(views.store, cut)
            : trialBalance(views.store, point.upTo, moment))
          // Two questions, one behind the other: views that were emptied meanwhile would have answered with a part.
          if (isCut && !includesPosition(projections.position(), position)) continue
          return rows
            .filter((row) => typeof currency !== 'string' || row.currency === currency)
            .map((row) => ({ row, position: cut, isLive: moment === undefined }))
        }
      },
    }),
  )
}

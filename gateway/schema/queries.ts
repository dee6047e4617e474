/** Queries. Root fields of one request are answered at one position. */
import { accountsByOwner } from '../../projectors/views/balances/accounts.ts'
import type { Moment } from '../../projectors/views/balances/balances.ts'
import { trialBalance, type TrialBalanceRow } from '../../projectors/views/balances/trial-balance.ts'
import type { ProjectionStatus } from '../../projectors/runtime/status.ts'
import { formatId } from '../../schemas/ids.ts'
import { OWNER_BYTES_MAX } from '../../schemas/limits.ts'
import type { Position } from '../../schemas/positions.ts'
import { PAGE_ITEMS_DEFAULT } from '../bounds.ts'
import { badInput } from '../errors.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { RequestContext } from '../services.ts'
import { inAccountsOf } from '../positions/deployment-tokens.ts'
import { positionAt } from '../positions/tokens.ts'
import type { AccountIdentity } from '../read/views.ts'
import { Account, AccountConnection, accountModel, cursorKeyOfAccount, type AccountModel } from './account.ts'
import { checkMoment, momentOf, neededFor, positionOf, readBalance, readHotBalance } from './balances.ts'
import { AsOfInput, builder } from './builder.ts'
import { historyArguments, HistoryConnection, readHistory } from './history.ts'
import { Balance, lagOf, Money } from './money.ts'
import { Node } from './node.ts'
import { cutPage, itemsOf } from './paging.ts'
import { Transfer, transferModel, type TransferModel } from './transfer.ts'

const AFTER_TEXT = 'What the answer has to include. Waits a while for it, then fails with NOT_YET.'

async function readAccount(
  { services }: RequestContext,
  id: string,
  point: ReadPoint,
): Promise<AccountModel | undefined> {
  const row = await services.views.account(point, id)
  return row === undefined ? undefined : accountModel(row, row.status, point)
}

async function readTransferAt(
  { services }: RequestContext,
  id: string,
  point: ReadPoint,
): Promise<TransferModel | undefined> {
  const [own, related] = await Promise.all([
    services.views.events(point, id),
    services.views.related(point, id),
  ])
  return transferModel(own, related)
}

/**
 * What is not in the views may be on its way into them: before an answer says that there is no such thing, it waits until
 * they include what the feed had brought when it was asked for.
 * @throws Fault NOT_YET
 */
async function findAt<Found>(
  { services: { feed }, point: request }: RequestContext,
  point: ReadPoint,
  find: (point: ReadPoint) => Promise<Found | undefined>,
): Promise<{ readonly found: Found; readonly point: ReadPoint } | undefined> {
  const now = await find(point)
  if (now !== undefined) return { found: now, point }
  const later = await request.later(feed.position())
  if (later === point) return undefined
  const found = await find(later)
  return found === undefined ? undefined : { found, point: later }
}

/** The account that a read is about. @throws Fault BAD_USER_INPUT where there is none */
async function accountOf(
  context: RequestContext,
  id: string,
  point: ReadPoint,
): Promise<{ readonly found: AccountIdentity; readonly point: ReadPoint }> {
  const found = await findAt(context, point, (at) => context.services.views.identity(at, id))
  if (found === undefined) throw badInput('accountId', 'There is no account with this id.')
  return found
}

builder.queryField('node', (t) =>
  t.field({
    type: Node,
    nullable: true,
    description: 'The account or transfer with this id; the account, where both have it.',
    args: {
      id: t.arg.id({ required: true }),
      after: t.arg({ type: 'Position', description: AFTER_TEXT }),
    },
    resolve: async (_root, { id, after }, context) => {
      const text = id.toLowerCase()
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return null
      const point = await context.point.at(after)
      const node = await findAt<AccountModel | TransferModel>(context, point, async (at) => {
        const [account, transfer] = await Promise.all([
          readAccount(context, text, at),
          readTransferAt(context, text, at),
        ])
        return account ?? transfer
      })
      return node?.found ?? null
    },
  }),
)

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

/** What is recorded up to a moment does not change any more: views that hold it may answer, whatever else they lack. */
function pointFor(
  { point }: RequestContext,
  moment: Moment | undefined,
  needed: Position | undefined,
): Promise<ReadPoint> {
  const isPinned = moment?.kind === 'position' || moment?.kind === 'recorded'
  return isPinned ? point.pinned(needed ?? new Map()) : point.at(needed)
}

/** The wider of two positions, partition by partition. */
function joined(left: Position | undefined, right: Position | undefined): Position | undefined {
  if (left === undefined || right === undefined) return left ?? right
  const wide = new Map(left)
  for (const [partition, sequence] of right)
    if (sequence > (wide.get(partition) ?? 0n)) wide.set(partition, sequence)
  return wide
}

builder.queryField('history', (t) =>
  t.field({
    type: HistoryConnection,
    description: 'What happened to an account, as a Relay connection in the order of the log.',
    args: {
      accountId: t.arg({ type: 'UUID', required: true }),
      ...historyArguments,
      afterPosition: t.arg({ type: 'Position', description: AFTER_TEXT }),
    },
    resolve: async (_root, { accountId, afterPosition, ...args }, context) => {
      const at = await context.point.at(afterPosition)
      const { found, point } = await accountOf(context, formatId(accountId), at)
      return readHistory(context, found, args, point)
    },
  }),
)

builder.queryField('transfer', (t) =>
  t.field({
    type: Transfer,
    nullable: true,
    description: 'A transfer, hold, or what ended one. Null: none has this id.',
    args: {
      id: t.arg({ type: 'UUID', required: true }),
      after: t.arg({ type: 'Position', description: AFTER_TEXT }),
    },
    resolve: async (_root, { id, after }, context) => {
      const point = await context.point.at(after)
      const transfer = await findAt(context, point, (at) => readTransferAt(context, formatId(id), at))
      return transfer?.found ?? null
    },
  }),
)

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
} as const

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
    position: t.field({ type: 'Position', resolve: ({ position }) => position }),
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
      const point = await pointFor(context, moment, joined(after ?? undefined, needed))
      const rows = await trialBalance(context.services.views.store, point.upTo, moment)
      return rows
        .filter((row) => typeof currency !== 'string' || row.currency === currency)
        .map((row) => ({ row, position: positionOf(point, moment), isLive: moment === undefined }))
    },
  }),
)

const ProjectionStateEnum = builder.enumType('ProjectionState', {
  values: {
    CATCHING_UP: { value: 'catching-up' },
    LIVE: { value: 'live' },
    PAUSED: { value: 'paused' },
    RETRYING: { value: 'retrying' },
    STALLED: {
      value: 'stalled',
      description: 'What it asked of the view store, or of who runs it, has had no answer for long.',
    },
    STOPPED: { value: 'stopped' },
  } as const,
})

const Projection = builder.objectRef<ProjectionStatus>('Projection').implement({
  description: 'What turns events into a view, and how far it is.',
  fields: (t) => ({
    name: t.exposeString('name'),
    version: t.exposeInt('version'),
    state: t.field({ type: ProjectionStateEnum, resolve: ({ state }) => state }),
    position: t.field({
      type: 'Position',
      description: 'Up to where its view holds everything.',
      resolve: ({ position }) => position,
    }),
    head: t.field({ type: 'Position', description: 'The end of the log.', resolve: ({ head }) => head }),
    lagEvents: t.field({
      type: 'UInt64',
      description: 'Events that are in the log and not in the view.',
      resolve: ({ lagEvents }) => lagEvents,
    }),
    lagSeconds: t.exposeFloat('lagSeconds', { description: 'Age of the oldest of these.' }),
    pumpAgeSeconds: t.exposeFloat('pumpAgeSeconds', {
      description:
        'Seconds since its pump moved or found nothing to do: no lag behind a dead pump is no good news.',
    }),
    recordedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the newest event in the view was recorded. Null: it is empty.',
      resolve: ({ recordedAtNs }) => (recordedAtNs === 0n ? null : recordedAtNs),
    }),
    failure: t.string({
      nullable: true,
      description: 'What it stopped or retries for.',
      resolve: ({ failure }) => failure ?? null,
    }),
  }),
})

builder.queryField('projections', (t) =>
  t.field({
    type: [Projection],
    description: 'The running projections with their lag.',
    args: { after: t.arg({ type: 'Position', description: AFTER_TEXT }) },
    resolve: async (_root, { after }, context) => {
      // Who asks how the views are gets an answer whatever they are like.
      if (after) await context.point.later(after)
      return [...context.services.projections.status()]
    },
  }),
)

/** What the view of history brings to the schema: entries of accounts, in pages and as they happen. */
import { PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX } from '../../../gateway/bounds.ts'
import { badInput, fault } from '../../../gateway/errors.ts'
import { accountActivity, type ActivityItem } from '../../../gateway/live/activity.ts'
import { inHistory, sequenceOf } from '../../../gateway/positions/deployment-tokens.ts'
import { positionAt, type HistoryCursorKey } from '../../../gateway/positions/tokens.ts'
import type { ReadPoint } from '../../../gateway/read/read-points.ts'
import type { AccountIdentity } from '../../../gateway/read/views.ts'
import { accountOf, AFTER_TEXT } from '../../../gateway/schema/find.ts'
import type { SchemaKit } from '../../../gateway/schema/kit.ts'
import { lagOf } from '../../../gateway/schema/money.ts'
import type { PageInfoModel } from '../../../gateway/schema/node.ts'
import { cutPage, pageSize, type PageArguments } from '../../../gateway/schema/paging.ts'
import type { RequestContext, Services } from '../../../gateway/services.ts'
import { expiryOf } from '../../../schemas/event-left.ts'
import type { EventKind } from '../../../schemas/events.ts'
import { isTransitAccountId, parseCrossing } from '../../../schemas/crossing.ts'
import { formatId, parseId, type Id } from '../../../schemas/ids.ts'
import { includesPosition, type Position } from '../../../schemas/positions.ts'
import { historyPage, type HistoryFilter, type HistoryRow } from './history.ts'

export function addHistory(kit: SchemaKit): void {
  const types = addEntries(kit)
  addConnection(kit, types)
  addActivity(kit, types)
}

/** One entry of one account, from the view or from the feed. */
interface EntryModel {
  readonly identity: AccountIdentity
  readonly row: HistoryRow
}

function cursorKeyOfEntry({ row }: EntryModel): HistoryCursorKey {
  const { partition, account, sequence } = row
  return { list: 'history', partition, account, sequence }
}

type EntryTypes = ReturnType<typeof addEntries>

function addEntries({ builder, EventKindEnum, DirectionEnum, Money, Balance }: SchemaKit) {
  const HistoryEntry = builder.objectRef<EntryModel>('HistoryEntry').implement({
    description: 'One thing that happened to an account, with its balance right after it.',
    fields: (t) => ({
      accountId: t.field({ type: 'UUID', resolve: ({ identity }) => identity.accountId }),
      kind: t.field({ type: EventKindEnum, resolve: ({ row }) => row.kind }),
      direction: t.field({
        type: DirectionEnum,
        description:
          'On which side of the transfer the account stands. Entries about the account itself are debits of nothing.',
        resolve: ({ row }) => row.direction,
      }),
      amount: t.field({
        type: Money,
        description:
          'What the transfer moves, reserves or releases. AccountOpened, AccountChanged: the overdraft limit from then on, -1 for none.',
        resolve: ({ row, identity }) => ({
          minor: row.amount,
          currency: identity.currency,
          scale: identity.scale,
        }),
      }),
      counterpartyAccountId: t.field({
        type: 'UUID',
        nullable: true,
        description:
          'The account on the other side, also where that lives in another partition. Null for entries about the account itself.',
        resolve: ({ row }, _args, { services }) =>
          row.counterparty === 0 ? null : counterpartyOf(services, row),
      }),
      transferId: t.field({
        type: 'UUID',
        description: 'Id of the transfer or hold, or of the command about the account.',
        resolve: ({ row }) => row.transferId,
      }),
      relatedId: t.field({
        type: 'UUID',
        nullable: true,
        description: 'The hold that was posted, voided or expired; the transfer that was reversed.',
        resolve: ({ row }) => row.relatedId ?? null,
      }),
      reference: t.field({ type: 'UUID', nullable: true, resolve: ({ row }) => row.reference ?? null }),
      code: t.field({ type: 'UInt32', resolve: ({ row }) => row.code }),
      memo: t.string({ resolve: ({ row }) => row.memo }),
      recordedAt: t.field({ type: 'DateTime', resolve: ({ row }) => row.recordedAtNs }),
      effectiveAt: t.field({ type: 'DateTime', resolve: ({ row }) => row.effectiveAtNs }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'When the hold expires. Null: never, or its accounts live in two partitions: then the transfer says it.',
        resolve: ({ row }) => expiryOf(row) ?? null,
      }),
      balance: t.field({
        type: Balance,
        description: 'The balance right after this entry.',
        resolve: ({ row, identity }) => ({
          identity,
          totals: row,
          version: row.version,
          position: positionAt(row),
          recordedAtNs: row.recordedAtNs,
          isLive: false,
        }),
      }),
      version: t.field({
        type: 'UInt64',
        description: 'Which entry of the account it is, from 1, without gaps.',
        resolve: ({ row }) => row.version,
      }),
      position: t.field({
        type: 'Position',
        description:
          'Where the log has it: reads "after" it include it, a subscription "after" it goes on behind it.',
        resolve: ({ row }) => positionAt(row),
      }),
      cursor: t.field({ type: 'Cursor', resolve: (entry) => cursorKeyOfEntry(entry) }),
    }),
  })

  return { HistoryEntry }
}

/**
 * The account on the other side of an entry. Where that is the partition's account for money in transit, the transfer goes
 * to or comes from another partition, and its events name who is there.
 */
async function counterpartyOf({ views }: Services, row: HistoryRow): Promise<string> {
  const { partition, sequence, transferId, direction } = row
  const id = await views.accountIdOf({ partition, account: row.counterparty }, sequence)
  if (!isTransitAccountId(parseId(id)!)) return id
  const events = await views.events(await views.points.atSequence(row), transferId)
  const crossing = events.map(({ namedAccounts }) => parseCrossing(namedAccounts)).find(Boolean)
  return crossing === undefined ? id : formatId(direction === 'debit' ? crossing.credit : crossing.debit)
}

interface HistoryModel {
  readonly entries: readonly EntryModel[]
  readonly pageInfo: PageInfoModel
  readonly position: Position
}

function addConnection(
  { builder, Account, EventKindEnum, DirectionEnum, PageInfo }: SchemaKit,
  { HistoryEntry }: EntryTypes,
): void {
  const HistoryEdge = builder.objectRef<EntryModel>('HistoryEdge').implement({
    fields: (t) => ({
      cursor: t.field({ type: 'Cursor', resolve: (entry) => cursorKeyOfEntry(entry) }),
      node: t.field({ type: HistoryEntry, resolve: (entry) => entry }),
    }),
  })

  const HistoryConnection = builder.objectRef<HistoryModel>('HistoryConnection').implement({
    description: 'Entries in the order of the log, oldest first.',
    fields: (t) => ({
      edges: t.field({ type: [HistoryEdge], resolve: ({ entries }) => [...entries] }),
      nodes: t.field({ type: [HistoryEntry], resolve: ({ entries }) => [...entries] }),
      pageInfo: t.field({ type: PageInfo, resolve: ({ pageInfo }) => pageInfo }),
      position: t.field({
        type: 'Position',
        description: 'The position that this page reflects.',
        resolve: ({ position }) => position,
      }),
      lagSeconds: t.float({ resolve: (_page, _args, context) => lagOf(context) }),
    }),
  })

  const HistoryFilterInput = builder.inputType('HistoryFilter', {
    description: 'All that are given have to hold. Bounds are included.',
    fields: (t) => ({
      kinds: t.field({ type: [EventKindEnum] }),
      direction: t.field({ type: DirectionEnum }),
      recordedFrom: t.field({ type: 'DateTime' }),
      recordedTo: t.field({ type: 'DateTime' }),
      effectiveFrom: t.field({ type: 'DateTime' }),
      effectiveTo: t.field({ type: 'DateTime' }),
      counterpartyAccountId: t.field({ type: 'UUID' }),
      amountMin: t.field({ type: 'MinorUnits' }),
      amountMax: t.field({ type: 'MinorUnits' }),
      code: t.field({ type: 'UInt32' }),
    }),
  })

  /** The arguments of a history connection. */
  const historyArguments = builder.args((t) => ({
    first: t.int({ description: `The first so many behind "after": 1 to ${PAGE_ITEMS_MAX}.` }),
    after: t.field({ type: 'Cursor' }),
    last: t.int({
      description: `The last so many before "before": 1 to ${PAGE_ITEMS_MAX}. Default: ${PAGE_ITEMS_DEFAULT}, unless "first" is given.`,
    }),
    before: t.field({ type: 'Cursor' }),
    filter: t.field({ type: HistoryFilterInput }),
  }))

  builder.objectField(Account, 'history', (t) =>
    t.field({
      type: HistoryConnection,
      description: 'What happened to it, as a Relay connection.',
      args: historyArguments,
      resolve: async ({ identity, point }, args, context) =>
        readHistory(context, identity, args, await point()),
    }),
  )

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
}

interface FilterArguments {
  readonly kinds?: readonly EventKind[] | null | undefined
  readonly direction?: 'debit' | 'credit' | null | undefined
  readonly recordedFrom?: bigint | null | undefined
  readonly recordedTo?: bigint | null | undefined
  readonly effectiveFrom?: bigint | null | undefined
  readonly effectiveTo?: bigint | null | undefined
  readonly counterpartyAccountId?: Id | null | undefined
  readonly amountMin?: bigint | null | undefined
  readonly amountMax?: bigint | null | undefined
  readonly code?: number | null | undefined
}

interface HistoryArguments extends PageArguments {
  readonly filter?: FilterArguments | null | undefined
}

/** One page of an account's history at a point. */
async function readHistory(
  { services, point: request }: RequestContext,
  identity: AccountIdentity,
  args: HistoryArguments,
  at: ReadPoint,
): Promise<HistoryModel> {
  const size = pageSize(args, '')
  const after = args.after ? inHistory(args.after, identity, 'after') : undefined
  const before = args.before ? inHistory(args.before, identity, 'before') : undefined
  // A cursor may be newer than the views: of an entry that a subscription told of, or of views that are made anew.
  const place = [after, before].reduce(
    (last, one) => (one && one.sequence > (last?.sequence ?? 0n) ? one : last),
    undefined,
  )
  const isHeld = place === undefined || includesPosition(at.upTo, positionAt(place))
  const point = isHeld ? at : await request.later(positionAt(place))
  const filter = await filterOf(args.filter, services.views, point, identity)
  const rows =
    filter === 'nothing'
      ? []
      : await historyPage(
          services.views.store,
          identity,
          {
            limit: size.items + 1,
            order: size.backward ? 'newest first' : 'oldest first',
            ...(after ? { afterSequence: after.sequence } : {}),
            ...(before ? { beforeSequence: before.sequence } : {}),
            filter,
          },
          point.upTo,
        )
  const page = cutPage(
    rows.map((row): EntryModel => ({ identity, row })),
    size,
    args,
    cursorKeyOfEntry,
  )
  return { entries: page.rows, pageInfo: page.pageInfo, position: point.upTo }
}

async function filterOf(
  args: FilterArguments | null | undefined,
  views: RequestContext['services']['views'],
  point: ReadPoint,
  { partition }: AccountIdentity,
): Promise<HistoryFilter | 'nothing'> {
  if (!args) return {}
  let counterparty: number | undefined
  if (args.counterpartyAccountId) {
    const other = await views.identity(point, formatId(args.counterpartyAccountId))
    if (other === undefined) return 'nothing'
    // Entries hold numbers of accounts, which say nothing outside their partition.
    if (other.partition !== partition)
      throw badInput(
        'filter.counterpartyAccountId',
        'The account lives in another partition, and entries cannot be searched for it. Leave it out, and look at counterpartyAccountId of the entries.',
      )
    counterparty = other.account
  }
  const filter = {
    kinds: args.kinds,
    direction: args.direction,
    recordedFromNs: args.recordedFrom,
    recordedToNs: args.recordedTo,
    effectiveFromNs: args.effectiveFrom,
    effectiveToNs: args.effectiveTo,
    counterparty,
    amountMin: args.amountMin,
    amountMax: args.amountMax,
    code: args.code,
  }
  return Object.fromEntries(
    Object.entries(filter).filter(([, value]) => value !== undefined && value !== null),
  )
}

interface ActivityModel {
  readonly identity: AccountIdentity
  readonly item: ActivityItem
}

function addActivity({ builder }: SchemaKit, { HistoryEntry }: EntryTypes): void {
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
      resolve: ({ item, identity }: ActivityModel, _args, { services: { views, tokens } }) => {
        if (item.kind === 'entry') {
          const { row } = item
          // Its limit may have changed since the subscription began.
          const now = views.rememberedIdentity(identity.accountId)
          if (now !== undefined) return { identity: now, row }
          return views.identityOf(identity, row.sequence).then((read) => ({ identity: read, row }))
        }
        throw fault(
          'SUBSCRIPTION_LAGGED',
          'More happened than was read. Subscribe again "after" this position.',
          {
            position: tokens.position(positionAt({ partition: identity.partition, sequence: item.sequence })),
          },
        )
      },
    }),
  )
}

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

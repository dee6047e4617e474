/** What the audit view brings to the schema: every event, by position. */
import { PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX } from '../../../gateway/bounds.ts'
import { badInput } from '../../../gateway/errors.ts'
import { positionAt } from '../../../gateway/positions/tokens.ts'
import type { ReadPoint } from '../../../gateway/read/read-points.ts'
import { AFTER_TEXT } from '../../../gateway/schema/find.ts'
import type { SchemaKit } from '../../../gateway/schema/kit.ts'
import { lagOf } from '../../../gateway/schema/money.ts'
import { itemsOf } from '../../../gateway/schema/paging.ts'
import { accountIdOf, balanceOfSide } from '../../../gateway/schema/transfers/model.ts'
import type { RequestContext } from '../../../gateway/services.ts'
import { expiryOf } from '../../../schemas/event-left.ts'
import type { EventKind } from '../../../schemas/events.ts'
import { formatId, type Id } from '../../../schemas/ids.ts'
import type { Position } from '../../../schemas/positions.ts'
import type { Refusal as RefusalName, RefusalCode } from '../../../schemas/refusals.ts'
import { auditPage, type EventFilter, type PublicEvent } from './events.ts'

interface AuditPageModel {
  readonly events: readonly PublicEvent[]
  readonly next: Position
  readonly hasMore: boolean
  readonly point: ReadPoint
}

interface AuditFilterArguments {
  readonly kinds?: readonly EventKind[] | null | undefined
  readonly refusals?: readonly RefusalCode[] | null | undefined
  readonly accountId?: Id | null | undefined
  readonly recordedFrom?: bigint | null | undefined
  readonly recordedTo?: bigint | null | undefined
}

export function addAudit({
  builder,
  EventKindEnum,
  CommandKindEnum,
  RefusalCodeEnum,
  Money,
  Balance,
}: SchemaKit): void {
  const AuditEvent = builder.objectRef<PublicEvent>('AuditEvent').implement({
    description: 'One event of the log.',
    fields: (t) => ({
      position: t.field({ type: 'Position', resolve: (event) => positionAt(event) }),
      partition: t.exposeInt('partition'),
      sequence: t.expose('sequence', { type: 'UInt64' }),
      kind: t.field({ type: EventKindEnum, resolve: ({ kind }) => kind }),
      command: t.field({ type: CommandKindEnum, resolve: ({ command }) => command }),
      refusal: t.field({ type: RefusalCodeEnum, nullable: true, resolve: ({ refusal }) => refusal ?? null }),
      id: t.field({
        type: 'UUID',
        description: 'Id of the command.',
        resolve: ({ transferId }) => transferId,
      }),
      relatedId: t.field({
        type: 'UUID',
        nullable: true,
        description: 'Of an account event, the account; else the hold or the transfer reversed.',
        resolve: ({ relatedId }) => relatedId ?? null,
      }),
      reference: t.field({ type: 'UUID', nullable: true, resolve: ({ reference }) => reference ?? null }),
      fingerprint: t.expose('fingerprint', { type: 'UInt64' }),
      amount: t.field({
        type: Money,
        nullable: true,
        resolve: ({ amount, currency, scale }) =>
          currency === '' ? null : { minor: amount, currency, scale },
      }),
      debitAccountId: t.field({
        type: 'UUID',
        nullable: true,
        resolve: async (event, _args, { services }) => (await accountIdOf(services, event, 'debit')) ?? null,
      }),
      creditAccountId: t.field({
        type: 'UUID',
        nullable: true,
        resolve: async (event, _args, { services }) => (await accountIdOf(services, event, 'credit')) ?? null,
      }),
      debitBalance: t.field({
        type: Balance,
        nullable: true,
        description: 'After the event; for a refusal, as it was seen.',
        resolve: (event, _args, { services }) => balanceOfSide(services, event, event.debit) ?? null,
      }),
      creditBalance: t.field({
        type: Balance,
        nullable: true,
        description: 'After the event; for a refusal, as it was seen.',
        resolve: (event, _args, { services }) => balanceOfSide(services, event, event.credit) ?? null,
      }),
      code: t.field({ type: 'UInt32', resolve: ({ code }) => code }),
      memo: t.exposeString('memo'),
      owner: t.exposeString('owner'),
      linkIndex: t.int({ nullable: true, resolve: ({ linkIndex }) => (linkIndex === 0 ? null : linkIndex) }),
      receivedAt: t.field({ type: 'DateTime', resolve: ({ receivedAtNs }) => receivedAtNs }),
      recordedAt: t.field({ type: 'DateTime', resolve: ({ recordedAtNs }) => recordedAtNs }),
      effectiveAt: t.field({ type: 'DateTime', resolve: ({ effectiveAtNs }) => effectiveAtNs }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        resolve: (event) => expiryOf(event) ?? null,
      }),
    }),
  })

  const AuditPage = builder.objectRef<AuditPageModel>('AuditPage').implement({
    description: 'Events in order, partition by partition.',
    fields: (t) => ({
      events: t.field({ type: [AuditEvent], resolve: ({ events }) => [...events] }),
      next: t.field({
        type: 'Position',
        description: 'Hand it back as "from" for what follows.',
        resolve: ({ next }) => next,
      }),
      hasMore: t.exposeBoolean('hasMore'),
      position: t.field({
        type: 'Position',
        description: 'The position that this page reflects.',
        resolve: ({ point }) => point.upTo,
      }),
      lagSeconds: t.float({ resolve: (_page, _args, context) => lagOf(context) }),
    }),
  })

  const AuditFilterInput = builder.inputType('AuditFilter', {
    description: 'All that are given have to hold. Bounds are included.',
    fields: (t) => ({
      kinds: t.field({ type: [EventKindEnum] }),
      refusals: t.field({ type: [RefusalCodeEnum] }),
      accountId: t.field({ type: 'UUID' }),
      recordedFrom: t.field({ type: 'DateTime' }),
      recordedTo: t.field({ type: 'DateTime' }),
    }),
  })

  builder.queryField('audit', (t) =>
    t.field({
      type: AuditPage,
      description: 'Every event behind a position, refusals included.',
      args: {
        from: t.arg({ type: 'Position', description: 'Events behind it. Default: from the beginning.' }),
        first: t.arg.int({ description: `1 to ${PAGE_ITEMS_MAX}. Default ${PAGE_ITEMS_DEFAULT}.` }),
        filter: t.arg({ type: AuditFilterInput }),
        after: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { from, first, filter, after }, context) => {
        const items = itemsOf(first ?? PAGE_ITEMS_DEFAULT, 'first')
        return readAudit(context, from ?? new Map(), items, filter, await context.point.at(after))
      },
    }),
  )
}

async function readAudit(
  { services }: RequestContext,
  from: Position,
  items: number,
  filter: AuditFilterArguments | null | undefined,
  point: ReadPoint,
): Promise<AuditPageModel> {
  const events: PublicEvent[] = []
  const next = new Map(from)
  let account: { readonly partition: number; readonly account: number } | undefined
  if (filter?.accountId) {
    account = await services.views.identity(point, formatId(filter.accountId))
    if (account === undefined) throw badInput('filter.accountId', 'There is no account with this id.')
  }
  for (const [partition, sequence] of [...point.upTo].sort(([left], [right]) => left - right)) {
    if (account !== undefined && account.partition !== partition) continue
    const left = items - events.length
    const rows = await auditPage(
      services.views.store,
      {
        partition,
        afterSequence: from.get(partition) ?? 0n,
        limit: left + 1,
        filter: filterOf(filter, account?.account),
      },
      point.upTo,
    )
    events.push(...rows.slice(0, left))
    if (rows.length > left) {
      const lastTaken = events.at(-1)
      if (left > 0 && lastTaken !== undefined) next.set(partition, lastTaken.sequence)
      return { events, next, hasMore: true, point }
    }
    // Everything up to the point has been looked at, whether or not the filter let it through.
    if (sequence > (next.get(partition) ?? 0n)) next.set(partition, sequence)
  }
  return { events, next, hasMore: false, point }
}

function filterOf(args: AuditFilterArguments | null | undefined, account: number | undefined): EventFilter {
  const refusals = args?.refusals?.filter((code): code is RefusalName => !code.startsWith('id_'))
  return {
    ...(args?.kinds ? { kinds: args.kinds } : {}),
    ...(refusals === undefined ? {} : { refusals }),
    ...(account === undefined ? {} : { account }),
    ...(typeof args?.recordedFrom === 'bigint' ? { recordedFromNs: args.recordedFrom } : {}),
    ...(typeof args?.recordedTo === 'bigint' ? { recordedToNs: args.recordedTo } : {}),
  }
}

/** Transfers, holds and what ends them, and refusals. */
import {
  CONSEQUENCES_PER_ID_MAX,
  type PublicEvent,
  type PublicEventSide,
} from '../../projectors/views/audit/events.ts'
import { expiryOf, isReversal, leftOf } from '../../schemas/events.ts'
import { REFUSAL_MESSAGES, REFUSAL_TRANSIENT, type RefusalCode } from '../../schemas/refusals.ts'
import type { Position } from '../../schemas/positions.ts'
import type { Outcome } from '../outcomes/outcomes.ts'
import { formatId } from '../../schemas/ids.ts'
import type { Services } from '../services.ts'
import { positionAt, type PartitionSequence } from '../positions/tokens.ts'
import type { Builder } from './builder.ts'
import type { EnumTypes } from './enums.ts'
import type { BalanceModel, MoneyModel, MoneyTypes } from './money.ts'
import type { NodeModel, NodeTypes } from './node.ts'
import { stateOf, transferKindOf, type TransferKind, type TransferState } from '../live/transfer-state.ts'

/** A transfer: its own events in order, and those that follow from it. */
export interface TransferModel extends NodeModel {
  readonly type: 'Transfer'
  readonly event: PublicEvent
  readonly own: readonly PublicEvent[]
  readonly related: readonly PublicEvent[]
  readonly kind: TransferKind
  readonly state: TransferState
}

/** The transfer of these events; undefined if there are none, or if they are about an account. */
export function transferModel(
  own: readonly PublicEvent[],
  related: readonly PublicEvent[],
): TransferModel | undefined {
  const event = own[0]
  const kind = event === undefined ? undefined : transferKindOf(event)
  if (event === undefined || kind === undefined) return undefined
  return {
    type: 'Transfer',
    nodeId: event.transferId,
    event,
    own,
    related,
    kind,
    state: stateOf(own, related),
  }
}

/** What has moved, in minor units; of a hold, all its parts together. 0: nothing. */
function postedOf({ event, kind, own, related, state }: TransferModel): bigint {
  if (kind !== 'HOLD') return state === 'POSTED' || state === 'REVERSED' ? own[0]!.amount : 0n
  if (state === 'REFUSED') return 0n
  const whole = related.find((other) => other.kind === 'HoldPosted')?.amount ?? 0n
  return event.amount - leftBehindParts({ event, related }) + whole
}

function heldOf({ event, kind, related, state }: TransferModel): bigint {
  return kind === 'HOLD' && state === 'PENDING' ? leftBehindParts({ event, related }) : 0n
}

/** What the parts that were posted of a hold have left of it: the newest of them says it. */
function leftBehindParts({ event, related }: Pick<TransferModel, 'event' | 'related'>): bigint {
  const part = related.findLast((other) => other.kind === 'HoldPostedInPart')
  return part === undefined ? event.amount : leftOf(part)!
}

function moneyIn({ event: { currency, scale } }: TransferModel, minor: bigint): MoneyModel | null {
  return minor === 0n ? null : { minor, currency, scale }
}

function sequenceOf(event: PublicEvent): PartitionSequence {
  return { partition: event.partition, sequence: event.sequence }
}

type SideName = 'debit' | 'credit'

/**
 * The account id of one side: found by its number, or as a refusal states it. Undefined: the event has none on this
 * side.
 */
export function accountIdOf(
  services: Services,
  event: PublicEvent,
  side: SideName,
): Promise<string> | string | undefined {
  const { account } = event[side]
  if (account !== 0)
    return services.views.accountIdOf({ partition: event.partition, account }, event.sequence)
  const named = event.namedAccounts.split(',')[side === 'debit' ? 0 : 1]
  return named === undefined || named === '' ? undefined : named
}

/** The balance that an event states for one side. Undefined: there is no such account. */
export function balanceOfSide(
  services: Services,
  event: PublicEvent,
  side: PublicEventSide,
): BalanceModel | undefined {
  if (side.account === 0) return undefined
  const key = { partition: event.partition, account: side.account }
  return {
    identity: () => services.views.identityOf(key, event.sequence),
    totals: side,
    version: side.version,
    position: positionAt(sequenceOf(event)),
    recordedAtNs: event.recordedAtNs,
    isLive: false,
  }
}

/** A transfer as of the read point, or of a later one that includes the given sequence. */
export async function readTransfer(
  services: Services,
  id: string,
  at: PartitionSequence,
): Promise<TransferModel | undefined> {
  const point = await services.views.points.atSequence(at)
  const [own, related] = await Promise.all([
    services.views.events(point, id),
    services.views.related(point, id),
  ])
  return transferModel(own, related)
}

/** A refusal. */
export interface RefusalModel {
  readonly code: RefusalCode
}

/** A command that was refused: data, not an error. */
export interface RefusedModel extends RefusalModel {
  readonly type: 'Refused'
  readonly outcome: Outcome
  /** Index of the refused transfer within its linked group, from 0. */
  readonly index: number | undefined
}

export function refusedModel(outcome: Outcome, code: RefusalCode, index?: number): RefusedModel {
  return { type: 'Refused', code, outcome, index }
}

export type TransferTypes = ReturnType<typeof addTransfer>

export function addTransfer(
  builder: Builder,
  { Node, Money, Balance, RefusalCodeEnum }: NodeTypes & MoneyTypes & EnumTypes,
) {
  const TransferKindEnum = builder.enumType('TransferKind', {
    values: ['TRANSFER', 'HOLD', 'HOLD_POST', 'HOLD_VOID', 'REVERSAL'] as const,
  })

  const TransferStateEnum = builder.enumType('TransferState', {
    values: {
      PENDING: { value: 'PENDING', description: 'A hold that is open: reserved, not moved.' },
      POSTED: { value: 'POSTED', description: 'The money has moved.' },
      VOIDED: { value: 'VOIDED', description: 'A hold that was released.' },
      EXPIRED: { value: 'EXPIRED', description: 'A hold that ran out.' },
      REFUSED: { value: 'REFUSED', description: 'Nothing moved; `refusal` says why.' },
      REVERSED: {
        value: 'REVERSED',
        description: 'The money had moved, and was moved back by another transfer.',
      },
    } as const,
  })

  const Refusal = builder.objectRef<RefusalModel>('Refusal').implement({
    fields: (t) => ({
      code: t.field({ type: RefusalCodeEnum, resolve: ({ code }) => code }),
      message: t.string({
        description: 'What is wrong and what to do, for people.',
        resolve: ({ code }) => REFUSAL_MESSAGES[code],
      }),
      transient: t.boolean({
        description: 'True if the same request may well succeed later, under a new id.',
        resolve: ({ code }) => REFUSAL_TRANSIENT[code],
      }),
    }),
  })

  const Timeline = builder.objectRef<PublicEvent>('Timeline').implement({
    description: 'When a command went through the stages of its life.',
    fields: (t) => ({
      received: t.field({
        type: 'DateTime',
        description: 'A door took it in.',
        resolve: ({ receivedAtNs }) => receivedAtNs,
      }),
      committed: t.field({
        type: 'DateTime',
        description: 'The writer decided it and wrote it down: recorded_at.',
        resolve: ({ recordedAtNs }) => recordedAtNs,
      }),
      projected: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'The views came to include it. Null: not yet, or longer ago than this gateway remembers.',
        resolve: (event, _args, { services }) =>
          services.views.points.projectedAtNs(sequenceOf(event)) ?? null,
      }),
      effective: t.field({
        type: 'DateTime',
        description: 'Business time.',
        resolve: ({ effectiveAtNs }) => effectiveAtNs,
      }),
    }),
  })

  const Transfer = builder.objectRef<TransferModel>('Transfer')
  Transfer.implement({
    description: 'Money moved, reserved, released or moved back, or refused to be.',
    interfaces: [Node],
    isTypeOf: (value) => (value as Partial<TransferModel>).type === 'Transfer',
    fields: (t) => ({
      kind: t.field({ type: TransferKindEnum, resolve: ({ kind }) => kind }),
      state: t.field({ type: TransferStateEnum, resolve: ({ state }) => state }),
      amount: t.field({
        type: Money,
        nullable: true,
        description:
          'What was asked for; for a hold that was posted or voided, how much. Null: refused, and no currency is known.',
        resolve: ({ event }) =>
          event.currency === ''
            ? null
            : { minor: event.amount, currency: event.currency, scale: event.scale },
      }),
      postedAmount: t.field({
        type: Money,
        nullable: true,
        description: 'What has moved; of a hold, so far. Null: nothing.',
        resolve: (transfer) => moneyIn(transfer, postedOf(transfer)),
      }),
      heldAmount: t.field({
        type: Money,
        nullable: true,
        description: 'What a hold that is open still reserves. Null: it is no open hold.',
        resolve: (transfer) => moneyIn(transfer, heldOf(transfer)),
      }),
      posts: t.field({
        type: [Transfer],
        description: `What posted this hold, in parts or as a whole: the newest ${CONSEQUENCES_PER_ID_MAX}, in order.`,
        resolve: async ({ related }, _args, { services }) => {
          const posts = related.filter(({ kind }) => kind === 'HoldPosted' || kind === 'HoldPostedInPart')
          const read = posts.map((post) => readTransfer(services, post.transferId, sequenceOf(post)))
          return (await Promise.all(read)).filter((post) => post !== undefined)
        },
      }),
      debitAccountId: t.field({
        type: 'UUID',
        nullable: true,
        resolve: async ({ event }, _args, { services }) =>
          (await accountIdOf(services, event, 'debit')) ?? null,
      }),
      creditAccountId: t.field({
        type: 'UUID',
        nullable: true,
        resolve: async ({ event }, _args, { services }) =>
          (await accountIdOf(services, event, 'credit')) ?? null,
      }),
      debitBalance: t.field({
        type: Balance,
        nullable: true,
        description:
          'The debit account right after this; for a refusal, as it was seen. Null: there is no such account.',
        resolve: ({ event }, _args, { services }) => balanceOfSide(services, event, event.debit) ?? null,
      }),
      creditBalance: t.field({
        type: Balance,
        nullable: true,
        description:
          'The credit account right after this; for a refusal, as it was seen. Null: there is no such account.',
        resolve: ({ event }, _args, { services }) => balanceOfSide(services, event, event.credit) ?? null,
      }),
      refusal: t.field({
        type: Refusal,
        nullable: true,
        resolve: ({ event }) => (event.refusal === undefined ? null : { code: event.refusal }),
      }),
      relatedId: t.field({
        type: 'UUID',
        nullable: true,
        description: 'The hold that this posts or voids; the transfer that this reverses.',
        resolve: ({ event }) => event.relatedId ?? null,
      }),
      related: t.field({
        type: Transfer,
        nullable: true,
        description: 'The transfer behind `relatedId`.',
        resolve: async ({ event }, _args, { services }) =>
          event.relatedId === undefined
            ? null
            : ((await readTransfer(services, event.relatedId, sequenceOf(event))) ?? null),
      }),
      postedById: t.field({
        type: 'UUID',
        nullable: true,
        description: 'What posted this hold and ended it.',
        resolve: ({ related }) => related.find(({ kind }) => kind === 'HoldPosted')?.transferId ?? null,
      }),
      voidedById: t.field({
        type: 'UUID',
        nullable: true,
        description: 'What voided this hold.',
        resolve: ({ related }) => related.find(({ kind }) => kind === 'HoldVoided')?.transferId ?? null,
      }),
      reversedById: t.field({
        type: 'UUID',
        nullable: true,
        description: 'The transfer that reversed this one, or the last part of it.',
        resolve: ({ related }) =>
          related.find((other) => isReversal(other) && (leftOf(other) ?? 0n) === 0n)?.transferId ?? null,
      }),
      reversedAmount: t.field({
        type: Money,
        nullable: true,
        description: 'How much of it has been moved back. Null: nothing.',
        resolve: (transfer) => {
          const newest = transfer.related.findLast(isReversal)
          return moneyIn(transfer, newest === undefined ? 0n : transfer.event.amount - (leftOf(newest) ?? 0n))
        },
      }),
      reversals: t.field({
        type: [Transfer],
        description: `What moved it back, in parts or as a whole: the newest ${CONSEQUENCES_PER_ID_MAX}, in order.`,
        resolve: async ({ related }, _args, { services }) => {
          const read = related
            .filter(isReversal)
            .map((reversal) => readTransfer(services, reversal.transferId, sequenceOf(reversal)))
          return (await Promise.all(read)).filter((reversal) => reversal !== undefined)
        },
      }),
      forced: t.boolean({
        description: 'True for a reversal that happened although who was paid had less available.',
        resolve: ({ event }) => event.kind === 'TransferReversedByForce',
      }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When the hold expires. Null: never.',
        resolve: ({ event }) => expiryOf(event) ?? null,
      }),
      code: t.field({ type: 'UInt32', resolve: ({ event }) => event.code }),
      reference: t.field({ type: 'UUID', nullable: true, resolve: ({ event }) => event.reference ?? null }),
      memo: t.string({ resolve: ({ event }) => event.memo }),
      linkIndex: t.int({
        nullable: true,
        description: 'Place in its linked group, from 1. Null: not linked.',
        resolve: ({ event }) => (event.linkIndex === 0 ? null : event.linkIndex),
      }),
      timeline: t.field({ type: Timeline, resolve: ({ event }) => event }),
      position: t.field({
        type: 'Position',
        description: 'Where the log has its outcome.',
        resolve: ({ event }) => positionAt(sequenceOf(event)),
      }),
    }),
  })

  const Refused = builder.objectRef<RefusedModel>('Refused').implement({
    description:
      'The command was refused, for ever: an event says so, or its id is reason enough. Nothing moved by it. What no writer ' +
      'decided is an error instead, and may be sent again with the same id.',
    isTypeOf: (value) => (value as Partial<RefusedModel>).type === 'Refused',
    fields: (t) => ({
      id: t.field({
        type: 'UUID',
        description: 'Id of the command.',
        resolve: ({ outcome }) => formatId(outcome.id),
      }),
      code: t.field({ type: RefusalCodeEnum, resolve: ({ code }) => code }),
      message: t.string({
        description: 'What is wrong and what to do, for people.',
        resolve: ({ code }) => REFUSAL_MESSAGES[code],
      }),
      transient: t.boolean({
        description: 'True if the same request may well succeed later, under a new id.',
        resolve: ({ code }) => REFUSAL_TRANSIENT[code],
      }),
      debitBalance: t.field({
        type: Balance,
        nullable: true,
        description: 'What the debit account (or the account) was seen to have. Null: not looked at.',
        resolve: ({ outcome }, _args, { services }) => {
          const event = outcome.event()
          return event === undefined ? null : (balanceOfSide(services, event, event.debit) ?? null)
        },
      }),
      creditBalance: t.field({
        type: Balance,
        nullable: true,
        description: 'What the credit account was seen to have. Null: not looked at.',
        resolve: ({ outcome }, _args, { services }) => {
          const event = outcome.event()
          return event === undefined ? null : (balanceOfSide(services, event, event.credit) ?? null)
        },
      }),
      index: t.int({
        nullable: true,
        description: 'Which transfer of a linked group was refused, from 0.',
        resolve: ({ index }) => index ?? null,
      }),
      position: t.field({
        type: 'Position',
        description: 'Where the log says so; for an id, where it was found to be used or consumed.',
        resolve: ({ outcome }): Position => positionAt(outcome.at),
      }),
      replayed: t.boolean({
        description: 'True if this id had been refused before this request.',
        resolve: ({ outcome }) => outcome.replayed,
      }),
    }),
  })

  return { Transfer, TransferStateEnum, Refusal, Refused }
}

/** Transfers, holds and what ends them, and refusals. */
import { CONSEQUENCES_PER_ID_MAX, type PublicEvent } from '../../projectors/views/audit/events.ts'
import { expiryOf, isReversal, leftOf } from '../../schemas/event-left.ts'
import type { EventKind } from '../../schemas/events.ts'
import { formatId } from '../../schemas/ids.ts'
import type { Position } from '../../schemas/positions.ts'
import { REFUSAL_MESSAGES, REFUSAL_TRANSIENT, type RefusalCode } from '../../schemas/refusals.ts'
import {
  PHASES,
  phaseOf,
  positionOfEvent,
  toldRefusal,
  type TransferPhase,
} from '../outcomes/crossings/life.ts'
import { positionOfOutcome } from '../outcomes/outcomes.ts'
import { positionAt } from '../positions/tokens.ts'
import type { Builder } from './builder.ts'
import type { EnumTypes } from './enums.ts'
import type { MoneyTypes } from './money.ts'
import type { NodeTypes } from './node.ts'
import { heldOf, moneyIn, postedOf, reversedOf } from './transfers/amounts.ts'
import {
  balanceOf,
  balanceSeen,
  eventsOf,
  kindOf,
  partyOf,
  readTransfer,
  sequenceOf,
  transfersOf,
  type RefusedModel,
  type TransferModel,
} from './transfers/model.ts'

/** A refusal. */
export interface RefusalModel {
  readonly code: RefusalCode
}

const PHASE_TEXTS: Readonly<Record<TransferPhase, string>> = {
  RESERVED: 'The amount is reserved on the debit account.',
  DEBITED: 'By Saga: the amount has left the debit account, and is in transit.',
  CONFIRMED:
    'Both sides have reserved, and it is decided: the amount has left the debit account, and is in transit.',
  CANCELLED: 'It was refused, or not answered in time: what was reserved is free again.',
  RECALLED: 'By Saga: not answered in time, so the amount is asked back.',
  CREDITED: 'The amount has arrived on the credit account.',
  COMPENSATED:
    'By Saga: it was refused, or not answered in time, and the amount is back on the debit account.',
  COMPLETED: 'Both sides know that it is done.',
  HELD: 'Of a hold: both sides hold the amount, until it is posted, voided or expires.',
  DRAWN: 'Of a post: the amount has left the hold and the debit account, and is in transit.',
  RELEASED: 'Of a hold, and of what voids it: what was left is free again on the debit account.',
}

/** Events that post a hold, or a part of it. */
const POSTS: ReadonlySet<EventKind> = new Set<EventKind>(['HoldPosted', 'HoldPostedInPart', 'HoldDrawn'])

export type TransferTypes = ReturnType<typeof addTransfer>

export function addTransfer(
  builder: Builder,
  { Node, Money, Balance, EventKindEnum, RefusalCodeEnum }: NodeTypes & MoneyTypes & EnumTypes,
) {
  const TransferKindEnum = builder.enumType('TransferKind', {
    values: ['TRANSFER', 'HOLD', 'HOLD_POST', 'HOLD_VOID', 'REVERSAL'] as const,
  })

  const TransferStateEnum = builder.enumType('TransferState', {
    values: {
      PENDING: {
        value: 'PENDING',
        description:
          'A hold that is open: reserved, not moved. Or a transfer to another partition that is under way; `phase` says how far it is.',
      },
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

  const TransferPhaseEnum = builder.enumType('TransferPhase', {
    description:
      'How far a transfer from one partition to another has come, in the order of cause and effect.',
    values: Object.fromEntries(
      PHASES.map((phase) => [phase, { value: phase, description: PHASE_TEXTS[phase] }]),
    ) as Readonly<Record<TransferPhase, { value: TransferPhase; description: string }>>,
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

  const TimelineEvent = builder.objectRef<PublicEvent>('TimelineEvent').implement({
    description: 'Something that happened to a transfer.',
    fields: (t) => ({
      kind: t.field({ type: EventKindEnum, resolve: ({ kind }) => kind }),
      partition: t.int({ description: 'Where it happened.', resolve: ({ partition }) => partition }),
      phase: t.field({
        type: TransferPhaseEnum,
        nullable: true,
        description: 'The phase that it led to. Null: to none.',
        resolve: (event) => phaseOf(event) ?? null,
      }),
      recordedAt: t.field({ type: 'DateTime', resolve: ({ recordedAtNs }) => recordedAtNs }),
      position: t.field({ type: 'Position', resolve: (event) => positionAt(sequenceOf(event)) }),
    }),
  })

  const Timeline = builder.objectRef<TransferModel>('Timeline').implement({
    description: 'When a command went through the stages of its life.',
    fields: (t) => ({
      received: t.field({
        type: 'DateTime',
        description: 'A door took it in.',
        resolve: ({ event }) => event.receivedAtNs,
      }),
      committed: t.field({
        type: 'DateTime',
        description: 'The writer decided it and wrote it down: recorded_at.',
        resolve: ({ event }) => event.recordedAtNs,
      }),
      projected: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'The views came to include it. Null: not yet, or longer ago than this gateway remembers.',
        resolve: ({ event }, _args, { services }) =>
          services.views.points.projectedAtNs(sequenceOf(event)) ?? null,
      }),
      effective: t.field({
        type: 'DateTime',
        description: 'Business time.',
        resolve: ({ event }) => event.effectiveAtNs,
      }),
      events: t.field({
        type: [TimelineEvent],
        description:
          'What happened to it, of both sides where it goes from one partition to another, in the order of cause and effect.',
        resolve: async (transfer, _args, { services }) => [...(await eventsOf(services, transfer))],
      }),
    }),
  })

  const Transfer = builder.objectRef<TransferModel>('Transfer')
  Transfer.implement({
    description: 'Money moved, reserved, released or moved back, or refused to be.',
    interfaces: [Node],
    isTypeOf: (value) => (value as Partial<TransferModel>).type === 'Transfer',
    fields: (t) => ({
      kind: t.field({
        type: TransferKindEnum,
        resolve: (transfer, _args, { services }) => kindOf(services, transfer),
      }),
      state: t.field({ type: TransferStateEnum, resolve: ({ state }) => state }),
      phase: t.field({
        type: TransferPhaseEnum,
        nullable: true,
        description: 'How far it has come from one partition to another. Null: it stays within one.',
        resolve: ({ phase }) => phase ?? null,
      }),
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
        resolve: ({ related }, _args, { services }) =>
          transfersOf(
            services,
            related.filter(({ kind }) => POSTS.has(kind)),
          ),
      }),
      debitAccountId: t.field({
        type: 'UUID',
        nullable: true,
        resolve: async ({ event }, _args, { services }) => (await partyOf(services, event, 'debit')) ?? null,
      }),
      creditAccountId: t.field({
        type: 'UUID',
        nullable: true,
        resolve: async ({ event }, _args, { services }) => (await partyOf(services, event, 'credit')) ?? null,
      }),
      debitBalance: t.field({
        type: Balance,
        nullable: true,
        description:
          'The debit account right after this; for a refusal, as it was seen. Null: there is no such account.',
        resolve: async (transfer, _args, { services }) =>
          (await balanceOf(services, transfer, 'debit')) ?? null,
      }),
      creditBalance: t.field({
        type: Balance,
        nullable: true,
        description:
          'The credit account right after this; for a refusal, as it was seen. Null: there is no such account.',
        resolve: async (transfer, _args, { services }) =>
          (await balanceOf(services, transfer, 'credit')) ?? null,
      }),
      refusal: t.field({
        type: Refusal,
        nullable: true,
        resolve: ({ event }) => refusalOf(event),
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
            : ((await readTransfer(services, event.relatedId, positionAt(sequenceOf(event)))) ?? null),
      }),
      postedById: t.field({
        type: 'UUID',
        nullable: true,
        description: 'What posted this hold and ended it.',
        resolve: ({ related, state }) => related.findLast(({ kind }) => kind === 'HoldPosted' || (kind === 'HoldDrawn' && state === 'POSTED'))?.transferId ?? null, // prettier-ignore
      }),
      voidedById: t.field({
        type: 'UUID',
        nullable: true,
        description: 'What voided this hold.',
        resolve: ({ related }) =>
          related.find(({ kind }) => kind === 'HoldVoided' || kind === 'HoldReleased')?.transferId ?? null,
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
        resolve: (transfer) => moneyIn(transfer, reversedOf(transfer)),
      }),
      reversals: t.field({
        type: [Transfer],
        description: `What moved it back, in parts or as a whole: the newest ${CONSEQUENCES_PER_ID_MAX}, in order.`,
        resolve: ({ related }, _args, { services }) => transfersOf(services, related.filter(isReversal)),
      }),
      forced: t.boolean({
        description: 'True for a reversal that happened although who was paid had less available.',
        resolve: ({ event }) => event.kind === 'TransferReversedByForce',
      }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'When the hold expires, or a transfer to another partition is given up unless that answers. Null: never.',
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
      timeline: t.field({ type: Timeline, resolve: (transfer) => transfer }),
      position: t.field({
        type: 'Position',
        description: 'Where the log has its outcome, on both sides where it has two.',
        resolve: ({ event }, _args, { services }) => positionOfEvent(event, services.submitter.partitions),
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
        resolve: async ({ outcome }, _args, { services }) =>
          (await balanceSeen(services, outcome, 'debit')) ?? null,
      }),
      creditBalance: t.field({
        type: Balance,
        nullable: true,
        description: 'What the credit account was seen to have. Null: not looked at.',
        resolve: async ({ outcome }, _args, { services }) =>
          (await balanceSeen(services, outcome, 'credit')) ?? null,
      }),
      index: t.int({
        nullable: true,
        description: 'Which transfer of a linked group was refused, from 0.',
        resolve: ({ index }) => index ?? null,
      }),
      position: t.field({
        type: 'Position',
        description: 'Where the log says so; for an id, where it was found to be used or consumed.',
        resolve: ({ outcome }): Position => positionOfOutcome(outcome),
      }),
      replayed: t.boolean({
        description: 'True if this id had been refused before this request.',
        resolve: ({ outcome }) => outcome.replayed,
      }),
    }),
  })

  return { Transfer, TransferStateEnum, TransferPhaseEnum, Refusal, Refused }
}

/** The refusal that an event tells of. Null: it is none. */
export function refusalOf(event: PublicEvent): RefusalModel | null {
  const code = toldRefusal(event)
  return code === undefined ? null : { code }
}

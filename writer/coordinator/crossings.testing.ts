/** Crossings for tests of coordinators: any event of one, and the step that follows from it, the slow and plain way. */
import fc from 'fast-check'
import type { Command } from '../../schemas/commands.ts'
import { parseCrossing, formatCrossing } from '../../schemas/crossing.ts'
import { EVENT_KIND_NAMES, EVENT_KINDS, type WalletEvent } from '../../schemas/events.ts'
import { isNilId, NIL_ID } from '../../schemas/ids.ts'
import { AMOUNT_MAX, CHANNELS_MAX, PARTITIONS_MAX, SCALE_MAX } from '../../schemas/limits.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { REFUSAL_CODES, type Refusal } from '../../schemas/refusals.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import { NEXT_STEP, nextStepOf, OF_ANOTHER, type CrossingEventKind } from './next-step.ts'

export const CROSSING_KINDS = Object.keys(NEXT_STEP) as CrossingEventKind[]

const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
const anyId = fc.record({ high: u64, low: u64 })
const anyTimeNs = fc.bigInt(0n, 2n ** 62n)

/** Any event of a crossing, whether or not it makes sense. What a StepAnswered names is one of the destination's. */
export const anyCrossing: fc.Arbitrary<WalletEvent> = fc
  .record({
    kind: fc.constantFrom(...CROSSING_KINDS),
    command: fc.constantFrom('Transfer' as const, 'TimeStep' as const, 'CancelTransfer' as const),
    sequence: fc.bigInt(1n, 2n ** 40n),
    transferId: anyId,
    relatedId: fc.oneof(fc.constant(NIL_ID), anyId),
    reference: fc.oneof(fc.constant(NIL_ID), anyId),
    amount: fc.bigInt(1n, AMOUNT_MAX),
    currency: fc.constantFrom('EUR', 'JPY', 'X', 'POINTS12'),
    scale: fc.nat(SCALE_MAX),
    code: fc.nat(2 ** 32 - 1),
    effectiveAtNs: fc.bigInt(-(2n ** 60n), 2n ** 62n),
    receivedAtNs: anyTimeNs,
    recordedAtNs: anyTimeNs,
    expiresAtNs: anyTimeNs,
    memo: fc.oneof(
      fc.constant(''),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.constant('m'.repeat(256)),
    ),
    refusal: fc.constantFrom<Refusal | undefined>(undefined, ...(Object.keys(REFUSAL_CODES) as Refusal[])),
    crossing: fc.record({
      debit: anyId,
      credit: anyId,
      source: fc.nat(PARTITIONS_MAX - 1),
      channel: fc.integer({ min: 1, max: CHANNELS_MAX }),
      turn: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      answers: u64,
    }),
    answered: fc.constantFrom('CreditReserved', 'TransferCredited', 'CreditRefused', 'CreditCancelled'),
    partition: fc.nat(3),
  })
  .map(({ crossing, answered, ...fields }) =>
    sampleEvent({
      ...fields,
      memo: fields.memo.replaceAll('\0', ''),
      fingerprint:
        fields.kind === 'StepAnswered' ? BigInt(EVENT_KINDS[answered as keyof typeof EVENT_KINDS]) : 7n,
      namedAccounts: formatCrossing(crossing),
    }),
  )

/** The step that follows from an event, decoded, and the partition that it goes to. */
export function stepCommandOf(
  event: WalletEvent,
  partitions: number,
  attempt = 0,
): { readonly target: number; readonly command: Command } | undefined {
  const kind = (
    event.kind === 'StepAnswered' ? EVENT_KIND_NAMES.get(Number(event.fingerprint)) : event.kind
  ) as CrossingEventKind
  const next = nextStepOf(kind, event.command)
  if (next === undefined || next === OF_ANOTHER) return undefined
  const { debit, credit, source, channel, turn, answers } = parseCrossing(event.namedAccounts)!
  return {
    target: next.to === 'source' ? source : partitionOf(credit, partitions),
    command: {
      kind: next.step,
      id: event.transferId,
      debit,
      credit,
      related: isNilId(event.relatedId) ? undefined : event.relatedId,
      amount: event.amount,
      effectiveAtNs: event.effectiveAtNs,
      receivedAtNs: event.receivedAtNs,
      currency: event.currency,
      code: event.code,
      reference: isNilId(event.reference) ? undefined : event.reference,
      memo: event.memo,
      coordination: next.by,
      step: {
        source,
        channel,
        turn,
        attempt,
        answers: event.sequence,
        scale: event.scale,
        ofHold: next.step === 'DrawCredit' ? BigInt.asIntN(64, answers) : undefined,
        refusal: next.step === 'CancelTransfer' ? event.refusal : undefined,
      },
    },
  }
}

/** Protocols with one thing wrong each, and the law that it breaks. */
import type { Coordination } from '../../schemas/commands.ts'
import type { CrossingEventKind, NextStep } from '../../writer/coordinator/next-step.ts'
import {
  IGNORED,
  type DestinationRule,
  type DestinationState,
  type DestinationStep,
  type SourceRule,
  type SourceState,
  type SourceStep,
} from '../../writer/core/crossing/rules.ts'
import type { Law } from './laws.ts'
import { PROTOCOL, type Protocol } from './protocol.ts'

export interface ProtocolMutant {
  readonly name: string
  readonly protocol: Protocol
  readonly breaks: Law
}

export const MUTANTS: readonly ProtocolMutant[] = [
  mutant(
    'no cancel mark (TCC)',
    'mark',
    destination('tcc', 'none', 'CancelCredit', { event: 'CreditCancelled', to: 'none' }),
  ),
  mutant(
    'no cancel mark (Saga)',
    'mark',
    destination('saga', 'none', 'CancelCredit', { event: 'CreditCancelled', to: 'none' }),
  ),
  mutant(
    'a Try after the mark is taken',
    'mark',
    destination('tcc', 'cancelled', 'TryCredit', { event: 'CreditReserved', to: 'reserved' }),
  ),
  mutant(
    'Confirm after Cancel',
    'decision',
    source('tcc', 'cancelled', 'ConfirmTransfer', { event: 'TransferConfirmed', to: 'confirmed' }),
  ),
  mutant(
    'the deadline cancels what is confirmed',
    'decision',
    source('tcc', 'confirmed', 'deadline', { event: 'TransferCancelled', to: 'cancelled' }),
  ),
  mutant(
    'the deadline gives the channel away at once',
    'handedOn',
    source('tcc', 'reserved', 'deadline', { event: 'TransferCancelled', to: 'free' }),
  ),
  mutant(
    'compensation twice',
    'once',
    source('saga', 'recalled', 'CancelTransfer', { event: 'TransferCompensated', to: 'recalled' }),
  ),
  mutant(
    'compensated at the deadline, unasked',
    'either',
    source('saga', 'debited', 'deadline', { event: 'TransferCompensated', to: 'free' }),
  ),
  mutant(
    'asked back after the credit: cancelled',
    'either',
    destination('saga', 'credited', 'CancelCredit', { event: 'CreditCancelled', to: 'cancelled' }),
  ),
  mutant(
    'asked back after the credit: no answer',
    'end',
    destination('saga', 'credited', 'CancelCredit', IGNORED),
  ),
  mutant(
    'credited at the Try',
    'before',
    destination('tcc', 'none', 'TryCredit', { event: 'TransferCredited', to: 'credited' }),
  ),
  mutant(
    'confirmed once the debit side has reserved',
    'before',
    next('TransferReserved', { to: 'destination', step: 'CreditTransfer', by: 'tcc' }),
    destination('tcc', 'none', 'CreditTransfer', { event: 'TransferCredited', to: 'credited' }),
  ),
  mutant(
    'a decided credit may still be refused',
    'decided',
    destination('tcc', 'reserved', 'CreditTransfer', {
      event: 'TransferCredited',
      to: 'credited',
      unless: { event: 'CreditRefused', to: 'refused' },
    }),
  ),
  mutant(
    'a lost answer is lost for ever (reserved)',
    'end',
    destination('tcc', 'reserved', 'TryCredit', IGNORED),
  ),
  mutant(
    'a lost answer is lost for ever (credited)',
    'end',
    destination('tcc', 'credited', 'CreditTransfer', IGNORED),
  ),
  mutant(
    'a lost answer is lost for ever (cancelled)',
    'end',
    destination('tcc', 'cancelled', 'CancelCredit', IGNORED),
  ),
  mutant('a refusal says nothing to a Cancel', 'end', destination('tcc', 'refused', 'CancelCredit', IGNORED)),
  mutant(
    'no reminders',
    'end',
    source('tcc', 'confirmed', 'reminder', IGNORED),
    source('tcc', 'confirmed', 'deadline', IGNORED),
  ),
  mutant('a Cancel by the deadline is told nobody', 'end', next('TransferCancelled', undefined)),
  mutant(
    'completed as soon as it is confirmed',
    'told',
    next('TransferConfirmed', { to: 'source', step: 'CompleteTransfer', by: 'tcc' }),
  ),
  mutant('the turn not checked at the source', 'stale', { checksTurn: { source: false, destination: true } }),
  mutant('the turn not checked at the destination', 'told', {
    checksTurn: { source: true, destination: false },
  }),
  mutant('channels of all sources in one place', 'told', { keepsSourcesApart: false }),
  mutant('sent before the decision is durable', 'before', { waitsForDurable: false }),
  mutant('the transit account left out', 'balance', { effects: withoutTransit() }),
  mutant('a compensation that gives nothing back', 'transit', { effects: withoutReturn() }),
]

type Change = Partial<Protocol>

function mutant(name: string, breaks: Law, ...changes: Change[]): ProtocolMutant {
  const sources = changes.flatMap(({ source }) => (source === undefined ? [] : [source]))
  const protocol = Object.assign({}, PROTOCOL, ...changes) as Protocol
  if (sources.length < 2) return { name, breaks, protocol }
  // Both cells of a table: each change leaves the other one as it is.
  const both =
    (by: Coordination) =>
    (state: SourceState, step: SourceStep): SourceRule => {
      const rules = sources.map((source) => source[by](state, step))
      return rules.find((rule) => rule !== PROTOCOL.source[by](state, step)) ?? rules[0]!
    }
  return { name, breaks, protocol: { ...protocol, source: { tcc: both('tcc'), saga: both('saga') } } }
}

/** One cell of a source's table is another. */
function source(by: Coordination, inState: SourceState, atStep: SourceStep, rule: SourceRule): Change {
  const changed = (state: SourceState, step: SourceStep): SourceRule =>
    state === inState && step === atStep ? rule : PROTOCOL.source[by](state, step)
  return { source: { ...PROTOCOL.source, [by]: changed } }
}

/** One cell of a destination's table is another. */
function destination(
  by: Coordination,
  inState: DestinationState,
  atStep: DestinationStep,
  rule: DestinationRule,
): Change {
  const changed = (state: DestinationState, step: DestinationStep): DestinationRule =>
    state === inState && step === atStep ? rule : PROTOCOL.destination[by](state, step)
  return { destination: { ...PROTOCOL.destination, [by]: changed } }
}

/** Another step follows from an event, or none. */
function next(of: CrossingEventKind, step: NextStep | undefined): Change {
  return { nextStep: (event, command) => (event === of ? step : PROTOCOL.nextStep(event, command)) }
}

function withoutTransit(): Protocol['effects'] {
  const { tcc, saga } = PROTOCOL.effects
  const credited = (tcc.TransferCredited ?? []).filter(([party]) => party !== 'destinationTransit')
  return { tcc: { ...tcc, TransferCredited: credited }, saga }
}

function withoutReturn(): Protocol['effects'] {
  const { tcc, saga } = PROTOCOL.effects
  const compensated = (saga.TransferCompensated ?? []).filter(([, , sign]) => sign < 0)
  return { tcc, saga: { ...saga, TransferCompensated: compensated } }
}

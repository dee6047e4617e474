/** What can happen next in a state: a transfer begins, a step comes, a source's timer strikes. */
import type { CommandKind } from '../../schemas/commands.ts'
import {
  IGNORED,
  REMINDED,
  type DestinationStep,
  type SourceState,
  type SourceStep,
} from '../../writer/core/crossing/rules.ts'
import type { CrossingEventKind } from '../../writer/coordinator/next-step.ts'
import { lawBrokenBy, type Law } from './laws.ts'
import type { Protocol } from './protocol.ts'
import type { CrossingStep, Happening, Layout, State } from './state.ts'

/** The first state of a crossing, and the event behind which a source waits in each. */
const BEGINNING = {
  tcc: { event: 'TransferReserved', to: 'reserved' },
  saga: { event: 'TransferDebited', to: 'debited' },
} as const
const LAST_EVENT: Readonly<Partial<Record<SourceState, Happening>>> = {
  reserved: 'TransferReserved',
  confirmed: 'TransferConfirmed',
  cancelled: 'TransferCancelled',
  debited: 'TransferDebited',
  recalled: 'TransferRecalled',
}

/** What has happened, for people; the state behind it; and the law that it broke. */
export interface Next {
  readonly what: string
  readonly state: State
  readonly broken: Law | undefined
}

interface Made {
  readonly event: CrossingEventKind
  readonly command: CommandKind
  readonly transfer: number
  readonly isReminded?: boolean
}

export class Moves {
  readonly #protocol: Protocol
  readonly #layout: Layout

  constructor(protocol: Protocol, layout: Layout) {
    this.#protocol = protocol
    this.#layout = layout
  }

  /** All that can happen in `state`. What changes nothing is left out. */
  all(state: State): Next[] {
    const layout = this.#layout
    return layout.world.transfers.flatMap((_, transfer) => [
      ...this.begin(state, transfer),
      ...layout
        .sent(state, transfer)
        .flatMap((sent) => this.arrive(state, transfer, sent.step, sent.isReminded)),
      ...this.timer(state, transfer, 'reminder'),
      ...this.timer(state, transfer, 'deadline'),
    ])
  }

  /** A transfer is asked for, and its source takes it: it has the lowest free channel. */
  begin(state: State, transfer: number): Next[] {
    const layout = this.#layout
    const { transfers, channels } = layout.world
    if (layout.channel(state, transfer) > 0) return []
    const { source, by } = transfers[transfer]!
    const before = transfers.flatMap((asked, other) =>
      asked.source === source && layout.channel(state, other) > 0 ? [other] : [],
    )
    const taken = before.filter((other) => layout.sourceState(state, other) !== 'free')
    const isFree = (channel: number): boolean =>
      taken.every((other) => layout.channel(state, other) !== channel)
    const channel = Array.from({ length: channels }, (_, at) => at + 1).find(isFree)
    if (channel === undefined) return []
    const turn = 1 + before.filter((other) => layout.channel(state, other) === channel).length
    const { event, to } = BEGINNING[by]
    return this.#make(state, { event, command: 'Transfer', transfer }, (next) => {
      layout.setPlace(next, transfer, channel, turn)
      layout.setSourceState(next, transfer, to)
    })
  }

  /** A step that was sent for `transfer` comes. */
  arrive(state: State, transfer: number, step: CrossingStep, isReminded: boolean): Next[] {
    switch (step) {
      case 'TryCredit':
      case 'CreditTransfer':
      case 'CancelCredit':
        return this.#atDestination(state, transfer, step, isReminded)
      default:
        return this.#atSource(state, transfer, step)
    }
  }

  /** A source's own timer; `reminder` and `deadline` may strike at any moment. */
  timer(state: State, transfer: number, strikes: 'reminder' | 'deadline'): Next[] {
    if (this.#layout.sourceState(state, transfer) === 'free') return []
    return this.#stepAtSource(state, transfer, strikes, 'TimeStep')
  }

  #atSource(state: State, transfer: number, step: CrossingStep & SourceStep): Next[] {
    const layout = this.#layout
    const protocol = this.#protocol
    const { source } = layout.world.transfers[transfer]!
    const channel = layout.channel(state, transfer)
    const holder = layout.world.transfers.findIndex(
      (other, at) =>
        other.source === source &&
        layout.channel(state, at) === channel &&
        layout.sourceState(state, at) !== 'free',
    )
    if (holder < 0) return []
    const isStale = layout.turn(state, holder) !== layout.turn(state, transfer)
    if (isStale && protocol.checksTurn.source) return []
    return held(this.#stepAtSource(state, holder, step, step), isStale)
  }

  #stepAtSource(state: State, holder: number, step: SourceStep, command: CommandKind): Next[] {
    const layout = this.#layout
    const protocol = this.#protocol
    const { by } = layout.world.transfers[holder]!
    const at = layout.sourceState(state, holder)
    const rule = protocol.source[by](at, step)
    if (rule === IGNORED || at === 'free') return []
    if (rule === REMINDED) {
      const made: Made = { event: LAST_EVENT[at]!, command: 'TimeStep', transfer: holder, isReminded: true }
      return [
        {
          what: `reminder of ${nameOf(holder)} ${at}`,
          state: this.#sendNext(state.slice(), made),
          broken: undefined,
        },
      ]
    }
    return this.#make(
      state,
      { event: rule.event as CrossingEventKind, command, transfer: holder },
      (next) => {
        layout.setSourceState(next, holder, rule.to)
      },
    )
  }

  #atDestination(state: State, transfer: number, step: DestinationStep, isReminded: boolean): Next[] {
    const layout = this.#layout
    const protocol = this.#protocol
    const { source, destination, by } = layout.world.transfers[transfer]!
    const kept = protocol.keepsSourcesApart ? source : 0
    const entry = layout.entry(destination, kept, layout.channel(state, transfer))
    const turn = layout.turn(state, transfer)
    const seen = layout.entryTurn(state, entry)
    const isStale = turn < seen
    if (isStale && protocol.checksTurn.destination) return []
    const isNew = turn > seen
    const was = layout.entryState(state, entry)
    const isTooSoon = isNew && was === 'reserved'
    const rule = protocol.destination[by](isNew && protocol.checksTurn.destination ? 'none' : was, step)
    if (rule === IGNORED) return []
    if ('again' in rule) {
      if (rule.to === 'reminded' && !isReminded) return []
      const made: Made = { event: rule.again as CrossingEventKind, command: step, transfer }
      return held(
        [
          {
            what: `${nameOf(transfer)} ${rule.again} said again`,
            state: this.#sendNext(state.slice(), made),
            broken: undefined,
          },
        ],
        isStale,
      )
    }
    const outcomes = rule.unless === undefined ? [rule] : [rule, rule.unless]
    const made = outcomes.flatMap(({ event, to }) =>
      this.#make(state, { event: event as CrossingEventKind, command: step, transfer }, (next) => {
        layout.setEntry(next, entry, turn, to)
      }),
    )
    return isTooSoon
      ? made.map((next) => ({ ...next, broken: next.broken ?? 'handedOn' }))
      : held(made, isStale)
  }

  /** An event is made: the state changes, and the coordinators send what follows. */
  #make(state: State, made: Made, change: (next: State) => void): Next[] {
    const layout = this.#layout
    const protocol = this.#protocol
    const { event, transfer } = made
    const { by } = layout.world.transfers[transfer]!
    const next = state.slice()
    change(next)
    const happening = event as Happening
    const broken = lawBrokenBy(happening, layout.happenedBits(state, transfer), by, protocol.effects)
    layout.happen(next, transfer, happening)
    const what = `${nameOf(transfer)} ${event}`
    const nexts = [{ what, state: this.#sendNext(next, made), broken }]
    // The partition dies before the event is durable, and a coordinator has seen it all the same.
    if (!protocol.waitsForDurable && layout.channel(state, transfer) > 0)
      nexts.push({ what: `${what} (lost)`, state: this.#sendNext(state.slice(), made), broken: undefined })
    return nexts
  }

  #sendNext(state: State, { event, command, transfer, isReminded = false }: Made): State {
    const next = this.#protocol.nextStep(event, command)
    if (next !== undefined) this.#layout.send(state, transfer, next.step as CrossingStep, isReminded)
    return state
  }
}

/** What a stale step has made breaks a law, whatever else it broke. */
function held(made: readonly Next[], isStale: boolean): Next[] {
  return made.map((next) => (isStale ? { ...next, broken: 'stale' } : next))
}

function nameOf(transfer: number): string {
  return `T${transfer + 1}`
}

/** A subscriber is told each phase once, in the order of cause and effect, whichever partition's feed is behind. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import type { EventKind } from '../../schemas/events.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import { publicEvent } from '../outcomes/outcomes.ts'
import { phaseOf } from '../outcomes/crossings/life.ts'
import { CrossingPhases } from './crossing-phases.ts'

const SOURCE = 0
const DESTINATION = 1

/** What may happen: the events of both sides, in the order in which they come about. */
const WAYS: readonly (readonly EventKind[])[] = [
  ['TransferReserved', 'TransferConfirmed', 'TransferCredited', 'TransferCompleted'],
  ['TransferReserved', 'TransferCancelled'],
  ['TransferDebited', 'TransferCredited', 'TransferCompleted'],
  ['TransferDebited', 'TransferRecalled', 'TransferCompensated'],
  ['TransferDebited', 'TransferRecalled', 'TransferCredited', 'TransferCompleted'],
  ['HoldReserved', 'HoldConfirmed', 'HoldReleased'],
  ['HoldReserved', 'TransferCancelled'],
  ['HoldDrawn', 'CreditDrawn', 'TransferCompleted'],
]

function eventsOf(way: readonly EventKind[]): PublicEvent[] {
  return way.map(
    (kind, index) =>
    publicEvent(sampleEvent({ kind, sequence: BigInt(index + 1), partition: kind === 'TransferCredited' || kind === 'CreditDrawn' ? DESTINATION : SOURCE })), // prettier-ignore
  )
}

/** The same events as they come by two feeds, each in order. */
function interleaved(events: readonly PublicEvent[], draws: readonly boolean[]): PublicEvent[] {
  const feeds = [SOURCE, DESTINATION].map((at) => events.filter(({ partition }) => partition === at))
  const come: PublicEvent[] = []
  for (let index = 0; come.length < events.length; index++) {
    const feed = feeds[draws[index] === true ? 1 : 0]!
    const event = feed.shift() ?? feeds.find((one) => one.length > 0)!.shift()!
    come.push(event)
  }
  return come
}

const anyWay = fc.constantFrom(...WAYS)
const anyDraws = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 })

function drain(phases: CrossingPhases): PublicEvent[] {
  const told: PublicEvent[] = []
  for (let event = phases.next(); event !== undefined; event = phases.next()) told.push(event)
  return told
}

describe('the phases of a transfer across partitions', () => {
  test('are told in the order of cause and effect, each as soon as what caused it was told', () => {
    fc.assert(
      fc.property(anyWay, anyDraws, (way, draws) => {
        const events = eventsOf(way)
        const phases = new CrossingPhases()
        const told: PublicEvent[] = []
        const come: PublicEvent[] = []
        for (const event of interleaved(events, draws)) {
          come.push(event)
          phases.add(event)
          phases.add(event)
          told.push(...drain(phases))
          // All up to the first one that is not here yet.
          const missing = events.findIndex((one) => !come.includes(one))
          const due = missing < 0 ? events : events.slice(0, missing)
          expect(told).toEqual(expect.arrayContaining(due))
        }
        // Whether it was asked back before it was credited nobody can say: that happens on two sides.
        const isEither = ({ kind }: PublicEvent): boolean =>
          kind === 'TransferRecalled' || kind === 'TransferCredited'
        const isBoth = events.filter(isEither).length === 2
        const inOrder = (list: readonly PublicEvent[]): PublicEvent[] =>
          isBoth ? list.filter((event) => !isEither(event)) : [...list]
        expect(inOrder(told).map(phaseOf)).toEqual(inOrder(events).map(phaseOf))
        expect(new Set(told)).toEqual(new Set(events))
        expect(told).toHaveLength(events.length)
      }),
    )
  })

  test('one who subscribes late is told the newest of the past, then what follows', () => {
    fc.assert(
      fc.property(anyWay, fc.nat(3), (way, known) => {
        const events = eventsOf(way)
        const past = events.slice(0, 1 + (known % events.length))
        const phases = new CrossingPhases()
        for (const event of past) phases.add(event)
        phases.skipToNewest()
        for (const event of events) phases.add(event)
        expect(drain(phases)).toEqual(events.slice(past.length - 1))
      }),
    )
  })

  test('one who comes back with what he was told is told the rest, without gap or repeat; of an end, the end', () => {
    fc.assert(
      fc.property(anyWay, anyDraws, fc.nat(4), (way, draws, had) => {
        const events = eventsOf(way)
        const first = events.slice(0, had % (events.length + 1))
        const phases = new CrossingPhases()
        for (const event of interleaved(events, draws)) phases.add(event)
        phases.skip((event) => first.includes(event))
        const rest = events.slice(first.length)
        expect(drain(phases)).toEqual(rest.length > 0 ? rest : events.slice(-1))
      }),
    )
  })

  test('an end whose cause has not come is held, and says so', () => {
    const [reserved, confirmed, credited, completed] = eventsOf(WAYS[0]!)
    const phases = new CrossingPhases()
    for (const event of [reserved!, confirmed!, completed!]) phases.add(event)
    expect(drain(phases)).toEqual([reserved, confirmed])
    expect(phases.heldEnd).toBe(completed)
    phases.add(credited!)
    expect(drain(phases)).toEqual([credited, completed])
    expect(phases.heldEnd).toBeUndefined()
  })
})

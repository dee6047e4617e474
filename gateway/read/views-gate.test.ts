import { afterEach, expect, it, vi } from 'vitest'
import type { Position } from '../../schemas/positions.ts'
import { codeOf } from '../errors.ts'
import { ViewsGate } from './views-gate.ts'

/** A gate over what a test says of the log, the views and the store. */
class World {
  head: Position
  views: Position
  outage: string | undefined
  absent: string | undefined
  lagMsMax = 60_000
  nowMs = 0
  readonly gate: ViewsGate
  #advanced: () => void = () => undefined

  constructor(head: readonly number[], views: readonly number[]) {
    this.head = positionOf(head)
    this.views = positionOf(views)
    this.gate = new ViewsGate({
      projections: {
        position: () => this.views,
        absent: () => this.absent,
        onAdvance: (listener) => {
          this.#advanced = listener
          return () => undefined
        },
      },
      head: () => this.head,
      watch: { outage: () => this.outage, onAnswer: () => () => undefined },
      lagMsMax: this.lagMsMax,
      nowMs: () => this.nowMs,
    })
    this.gate.begin()
    gates.push(this.gate)
  }

  /** The views are so far now. */
  move(...views: readonly number[]): void {
    this.views = positionOf(views)
    this.#advanced()
  }

  /** The log is so far now; the gate looks. */
  grow(...head: readonly number[]): void {
    this.head = positionOf(head)
    this.#advanced()
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.#advanced()
  }

  get reason(): string | undefined {
    return this.gate.closed()?.reason
  }
}

const gates: ViewsGate[] = []
afterEach(() => {
  for (const gate of gates.splice(0)) gate.stop()
  vi.useRealTimers()
})

function positionOf(sequences: readonly number[]): Position {
  return new Map(sequences.map((sequence, partition) => [partition, BigInt(sequence)] as const).filter(([, sequence]) => sequence > 0n))
} // prettier-ignore

it('until the views hold what the log held at the start, they say nothing; what comes in meanwhile is lag and no more', () => {
  const world = new World([9_000_000], [0])
  expect(world.reason).toBe('The views are being made anew: 0 of 9,000,000 events.')
  world.grow(9_500_000)
  world.move(123_456)
  expect(world.reason).toBe('The views are being made anew: 123,456 of 9,000,000 events.')
  world.move(8_999_999)
  expect(world.reason).toBeDefined()
  world.move(9_000_000)
  expect(world.reason).toBeUndefined()
  world.grow(20_000_000)
  expect(world.reason).toBeUndefined()
})

it('each partition has to be there', () => {
  const world = new World([100, 50], [100, 30])
  expect(world.reason).toBe('The views are catching up with the log: 130 of 150 events.')
  world.move(400, 49)
  expect(world.reason).toBe('The views are catching up with the log: 149 of 150 events.')
  world.move(400, 50)
  expect(world.reason).toBeUndefined()
})

it('views of a partition that is followed no more keep nobody waiting', () => {
  const world = new World([100, 50], [100, 30])
  world.grow(100)
  expect(world.reason).toBeUndefined()
})

it('views that were emptied have to come back to where the log was then', () => {
  const world = new World([100], [100])
  expect(world.reason).toBeUndefined()
  world.grow(130)
  world.move(130)
  // Not told of: the next reader finds out.
  world.views = positionOf([0])
  expect(world.reason).toBe('The views are being made anew: 0 of 130 events.')
  world.move(129)
  expect(world.reason).toBeDefined()
  world.move(130)
  expect(world.reason).toBeUndefined()
})

it('views that lack an event for longer than they may say nothing until they have it', () => {
  const world = new World([100], [100])
  world.grow(120)
  world.pass(60_000)
  expect(world.reason).toBeUndefined()
  world.grow(130)
  world.pass(1_500)
  expect(world.reason).toBe('The views are 61 s behind the log, by 30 events, and may be 60 s at most.')
  // The oldest that they lack decides: the rest came a moment ago.
  world.move(120)
  expect(world.reason).toBeUndefined()
  world.pass(62_000)
  expect(world.reason).toBeDefined()
  world.move(130)
  expect(world.reason).toBeUndefined()
})

it('views that are always a little behind, at full load for hours, may speak; what is remembered of it is bounded', () => {
  const world = new World([0], [0])
  for (let at = 1; at < 20_000; at++) {
    world.grow(at * 100)
    world.pass(500)
    // Fifty steps of half a second behind.
    world.move(Math.max(0, at - 50) * 100)
    expect(world.reason).toBeUndefined()
  }
})

it('a store that does not answer is told of at once, whatever else is missing', async () => {
  const world = new World([100], [0])
  world.outage = 'The view store has not answered for 4 s.'
  expect(world.gate.closed()).toEqual({ kind: 'away', reason: world.outage })
  await expect(world.gate.opened(10_000)).rejects.toSatisfy((error) => codeOf(error) === 'VIEWS_UNAVAILABLE')
  expect(() => world.gate.requireStore()).toThrow('not answered for 4 s')
})

it('views that nobody has made are away, and not behind', () => {
  const world = new World([100], [0])
  world.absent = 'No projector has made the tables of the views yet.'
  expect(world.gate.closed()).toEqual({ kind: 'away', reason: world.absent })
  expect(() => world.gate.requireStore()).toThrow('No projector')
})

it('reads wait within their bound, and no more of them than leave room for others', async () => {
  const world = new World([100], [0])
  const waiting = Array.from({ length: 256 }, () => world.gate.opened(60_000))
  const late = world.gate.opened(60_000)
  await expect(late).rejects.toSatisfy((error) => codeOf(error) === 'NOT_YET')
  await expect(late).rejects.toThrow('0 of 100 events. Ask again in a moment.')
  world.move(100)
  await Promise.all(waiting)

  const other = new World([100], [0])
  const bounded = expect(other.gate.opened(1)).rejects.toThrow('Ask again')
  await new Promise((resolve) => setTimeout(resolve, 5))
  other.pass(5)
  await bounded
})

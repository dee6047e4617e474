import { expect, test } from 'vitest'
import { checkMoment, neededFor } from './schema/balances.ts'
import type { Services } from './services.ts'

const SECOND_NS = 1_000_000_000n
const NOW_NS = 1_800_000_000n * SECOND_NS
const FEED = new Map([
  [0, 9n],
  [1, 4n],
])

/** Services of a gateway whose views lag by so many seconds, and whose newest event was recorded just now. */
function lagging(partitions: number, lagSeconds: number): Services {
  return {
    heads: { partitions },
    feed: { position: () => FEED },
    commands: { clock: () => NOW_NS },
    views: { points: { current: () => ({ recordedAtNs: NOW_NS }), lagSeconds: () => lagSeconds } },
  } as unknown as Services
}

const at = (secondsAgo: bigint) => ({ kind: 'recorded', atNs: NOW_NS - secondsAgo * SECOND_NS }) as const

test('of several partitions a past time is settled when the views lack nothing older, not when another partition is past it', () => {
  // The newest event says nothing of the partition that is 10 s behind.
  expect(neededFor(at(5n), lagging(2, 10), 'at.time')).toBe(FEED)
  expect(neededFor(at(11n), lagging(2, 10), 'at.time')).toBe(FEED)
  expect(neededFor(at(13n), lagging(2, 10), 'at.time')).toBeUndefined()
  expect(neededFor(at(1n), lagging(2, 0), 'at.time')).toBe(FEED)
  expect(neededFor(at(3n), lagging(2, 0), 'at.time')).toBeUndefined()
})

test('of one partition a past time is settled when its newest event in the views is not before it', () => {
  expect(neededFor(at(0n), lagging(1, 10), 'at.time')).toBeUndefined()
  expect(() => neededFor(at(-1n), lagging(1, 0), 'at.time')).toThrow('still to come')
})

test('a position as a moment has to name the partitions that are asked of: of no other it tells a past', () => {
  const moment = { kind: 'position', position: new Map([[0, 5n]]) } as const
  expect(() => checkMoment(moment, [0])).not.toThrow()
  expect(() => checkMoment(moment, [1])).toThrow('says nothing of partition 1')
  expect(() => checkMoment(moment, [0, 1])).toThrow('says nothing of partition 1')
  expect(() => checkMoment({ kind: 'position', position: new Map([[0, 0n]]) }, [0, 1])).not.toThrow()
  expect(() => checkMoment(at(5n), [1])).not.toThrow()
})

import { expect, test } from 'vitest'
import { checkMoment, neededFor } from '../schema/moments.ts'
import type { Services } from '../services.ts'

const SECOND_NS = 1_000_000_000n
const NOW_NS = 1_800_000_000n * SECOND_NS
const FEED = new Map([
  [0, 9n],
  [1, 4n],
])

/** Services of a gateway whose views hold all that was recorded up to so many seconds ago, in every partition. */
function settled(secondsAgo: bigint): Services {
  return {
    feed: { position: () => FEED },
    commands: { clock: () => NOW_NS },
    views: { points: { current: () => ({ settledNs: NOW_NS - secondsAgo * SECOND_NS }) } },
  } as unknown as Services
}

const at = (secondsAgo: bigint) => ({ kind: 'recorded', atNs: NOW_NS - secondsAgo * SECOND_NS }) as const

test('a past time is settled when the views hold what was recorded up to then in every partition; if not, the log decides', () => {
  expect(neededFor(at(11n), settled(10n), 'at.time')).toBeUndefined()
  expect(neededFor(at(10n), settled(10n), 'at.time')).toBeUndefined()
  expect(neededFor(at(9n), settled(10n), 'at.time')).toBe(FEED)
  expect(() => neededFor(at(-1n), settled(0n), 'at.time')).toThrow('still to come')
})

test('a position as a moment has to name the partitions that are asked of: of no other it tells a past', () => {
  const moment = { kind: 'position', position: new Map([[0, 5n]]) } as const
  expect(() => checkMoment(moment, [0])).not.toThrow()
  expect(() => checkMoment(moment, [1])).toThrow('says nothing of partition 1')
  expect(() => checkMoment(moment, [0, 1])).toThrow('says nothing of partition 1')
  expect(() => checkMoment({ kind: 'position', position: new Map([[0, 0n]]) }, [0, 1])).not.toThrow()
  expect(() => checkMoment(at(5n), [1])).not.toThrow()
})

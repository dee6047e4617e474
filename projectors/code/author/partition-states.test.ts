import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StateValue } from '../../code-projection.ts'
import { RowBytes } from '../values/row-bytes.ts'
import { putState, readState } from '../values/state-bytes.ts'
import { PartitionStates } from './partition-states.ts'

const EVERYTHING = { statesMax: 1e9, stateBytesMax: 1e9 }

/** States of all sizes: those that rest as bytes, those that are too large for it, and those that grow into the one or the other. */
const state = fc.oneof(
  fc.integer({ min: 0, max: 9_000 }).map((length) => 'x'.repeat(length)),
  fc.array(fc.integer(), { maxLength: 40 }),
  fc.constantFrom<StateValue>(null, false, 0, -0, 0n),
)
const change = fc.record({ key: fc.constantFrom<string[]>('a', 'b', 'c', 'd'), state, rests: fc.boolean() })

function bytesOf(state: StateValue): Uint8Array {
  const out = new RowBytes()
  const size = putState(out, state)
  const all = out.take()
  return all.subarray(all.length - size)
}

function storedOf(states: PartitionStates): ReadonlyMap<string, StateValue> {
  return new Map(
    states.changed.map((entry) => {
      const out = new RowBytes()
      const size = states.put(out, entry)
      const all = out.take()
      return [entry.key, readState(all.subarray(all.length - size))]
    }),
  )
}

describe('the states of a partition', () => {
  test('are, and are stored, as they were changed last, whether they rest or not', () => {
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 30 }), { maxLength: 4 }), (ranges) => {
        const states = new PartitionStates(true)
        const expected = new Map<string, StateValue>()
        for (const changes of ranges) {
          for (const { key, state, rests } of changes) {
            const entry = states.get(key)
            expect(states.stateOf(entry)).toEqual(expected.get(key))
            states.change(entry, state, 0)
            expected.set(key, state)
            if (rests) expect(states.rest(entry)).toBeGreaterThan(0)
          }
          const changed = new Set(changes.map(({ key }) => key))
          expect(storedOf(states)).toEqual(new Map([...expected].filter(([key]) => changed.has(key))))
          states.keep(EVERYTHING)
        }
      }),
    )
  })

  test('stay as they are while others leave the memory in which they rest', () => {
    const states = new PartitionStates(true)
    const still = states.get('still')
    states.change(still, 'as it was', 0)
    states.rest(still)
    // Each is larger than the one before, leaves its room, and half of a MiB of rooms is left a hundred times over.
    for (let length = 1; length < 4_000; length++)
      for (const key of ['a', 'b', 'c']) {
        const entry = states.get(key)
        states.change(entry, 'x'.repeat(length % 7 === 0 ? 5_000 : length), 0)
        states.rest(entry)
        if (length % 7 === 0) {
          // It was too large to rest, and is small again when it has been stored.
          states.change(entry, 'small', 0)
          states.put(new RowBytes(), entry)
        }
      }
    expect(states.stateOf(still)).toBe('as it was')
    expect(states.stateOf(states.get('a'))).toBe('x'.repeat(3_999))
  })

  test('that rest are not changed by what an author does to the object that he returned', () => {
    const states = new PartitionStates(true)
    const entry = states.get('a')
    const list = [1, 2]
    states.change(entry, list, 0)
    states.rest(entry)
    list.push(3)
    expect(states.stateOf(entry)).toEqual([1, 2])
  })

  test('that have been stored are read when they are asked for, and those that were not changed for the longest are forgotten', () => {
    const states = new PartitionStates(false)
    for (const key of ['a', 'b', 'c']) states.get(key)
    expect(states.takeUnknown()).toEqual(['a', 'b', 'c'])
    for (const key of ['a', 'b', 'c']) states.load(key, bytesOf(`of ${key}`))
    for (const key of ['b', 'a', 'c']) {
      const entry = states.get(key)
      states.change(entry, `${states.stateOf(entry) as string}, changed`, 0)
      states.rest(entry)
    }
    states.keep({ ...EVERYTHING, stateBytesMax: 2 * bytesOf('of a, changed').length })
    expect(states.stateOf(states.get('a'))).toBe('of a, changed')
    expect(states.stateOf(states.get('c'))).toBe('of c, changed')
    expect(states.areUnknown).toBe(false)
    expect(states.stateOf(states.get('b'))).toBeUndefined()
    expect(states.takeUnknown()).toEqual(['b'])
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StateValue } from '../code-projection.ts'
import { parseState, stateText } from '../code/values/state-text.ts'
import { slidingWindow, slotOf, type Window } from './window.ts'

const START_NS = 1_700_000_000_000_000_000n
/** Time since the one before, and an amount; some amounts are more than a number can say. */
const steps = fc.array(
  fc.tuple(fc.bigInt({ min: 0n, max: 400n }), fc.oneof(fc.bigInt({ min: -50n, max: 50n }), fc.bigInt({ min: 2n ** 60n, max: 2n ** 62n }))),
  { maxLength: 200 },
) // prettier-ignore

interface Added {
  readonly atNs: bigint
  readonly amount: bigint
}

function timed(steps: readonly (readonly [bigint, bigint])[]): Added[] {
  let atNs = START_NS
  return steps.map(([since, amount]) => ({ atNs: (atNs += since), amount }))
}

/** What was added behind `lastNs`, up to the newest. */
function behind(added: readonly Added[], lastNs: bigint): { count: number; sum: bigint } {
  const those = added.filter(({ atNs }) => atNs > lastNs)
  return { count: those.length, sum: those.reduce((sum, { amount }) => sum + amount, 0n) }
}

describe('a sliding window', () => {
  test('is exact while it holds no more entries than it may', () => {
    fc.assert(
      fc.property(steps, fc.bigInt({ min: 1n, max: 5_000n }), (steps, spanNs) => {
        const { empty, add, at } = slidingWindow(spanNs, 201)
        const added = timed(steps)
        let window: Window = empty
        for (const [index, { atNs, amount }] of added.entries()) {
          window = add(window, atNs, amount)
          expect(window).toMatchObject(behind(added.slice(0, index + 1), atNs - spanNs))
          expect(at(window, atNs + 77n)).toMatchObject(behind(added.slice(0, index + 1), atNs + 77n - spanNs))
        }
      }),
    )
  })

  test('beyond that it counts nothing too little, and too much only what is older by less than a slot', () => {
    fc.assert(
      fc.property(steps, fc.bigInt({ min: 1n, max: 50_000n }), fc.integer({ min: 8, max: 20 }), (steps, spanNs, most) => {
        const { empty, add } = slidingWindow(spanNs, most)
        const added = timed(steps.map(([since, amount]) => [since, amount < 0n ? -amount : amount]))
        let window: Window = empty
        for (const [index, { atNs, amount }] of added.entries()) {
          window = add(window, atNs, amount)
          const so = added.slice(0, index + 1)
          const least = behind(so, atNs - spanNs)
          const greatest = behind(so, atNs - spanNs - slotOf(spanNs, most))
          expect(window.count).toBeGreaterThanOrEqual(least.count)
          expect(window.count).toBeLessThanOrEqual(greatest.count)
          expect(window.sum >= least.sum && window.sum <= greatest.sum).toBe(true)
          expect(window.entries.length / 3).toBeLessThanOrEqual(most)
        }
      }),
    )
  }) // prettier-ignore

  test('the window that is given stays as it was, and one that comes back from its text goes on alike', () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const { empty, add } = slidingWindow(3_000n, 8)
        let [window, again]: [Window, Window] = [empty, empty]
        for (const { atNs, amount } of timed(steps)) {
          const before = stateText(window)
          const next = add(window, atNs, amount)
          expect(stateText(window)).toBe(before)
          again = add(parseState(stateText(again)) as StateValue & Window, atNs, amount)
          expect(stateText(again)).toBe(stateText(next))
          window = next
        }
      }),
    )
  })

  test('time does not go back in it, and its bounds are checked', () => {
    const { empty, add } = slidingWindow(100n)
    expect(() => add(add(empty, 5n, 1n), 4n, 1n)).toThrow(RangeError)
    expect(() => slidingWindow(0n)).toThrow(RangeError)
    expect(() => slidingWindow(1n, 7)).toThrow(RangeError)
  })
})

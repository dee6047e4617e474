import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HoldsCopy } from '../copy/copy-holds.ts'
import { HOLD, HOLD_KEPT_WORDS, HOLD_WORDS } from './hold-words.ts'
import { Holds } from './holds.ts'

const kept = (number: number, expiresAt: bigint): BigInt64Array =>
  new BigInt64Array([BigInt(number) << 40n, BigInt(number), 5n, expiresAt, BigInt(number) + 1n, 1n])

function find(holds: Holds, number: number): number {
  return holds.find(new Int32Array(kept(number, 0n).buffer), 0)
}

/** The kept words of all holds. */
function savedOf(holds: Holds): BigInt64Array {
  const copy = new HoldsCopy(holds, 1n << 50n)
  const saved = new BigInt64Array(holds.count * HOLD_KEPT_WORDS)
  const bytes = new Uint8Array(saved.buffer)
  for (let at = 0; at < bytes.length;) at += copy.copy(bytes.subarray(at))
  return saved
}

describe('the open holds', () => {
  it('are found by id, expire in order, and are saved in the order of placing, whatever was placed and ended before', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(400), fc.bigInt(0n, 6n)), { maxLength: 900 }), (steps) => {
        const holds = new Holds()
        const model = new Map<number, bigint>()
        for (const [number, expiresAt] of steps) {
          const slot = find(holds, number)
          expect(slot >= 0).toBe(model.has(number))
          if (slot >= 0) holds.remove(slot)
          else holds.place(kept(number, expiresAt), 0)
          if (!model.delete(number)) model.set(number, expiresAt)
        }
        expect(holds.count).toBe(model.size)
        const saved = savedOf(holds)
        const numbers = [...model.keys()].sort((a, b) => a - b)
        expect([...saved].filter((_, at) => at % HOLD_KEPT_WORDS === HOLD.idLow)).toEqual(numbers.map(BigInt))
        const order = numbers
          .filter((number) => model.get(number) !== 0n)
          .sort((a, b) => Number(model.get(a)! - model.get(b)!) || a - b)
        const expired: number[] = []
        for (let slot = holds.heap.first(); slot >= 0; slot = holds.heap.first()) {
          expired.push(Number(holds.words[slot * HOLD_WORDS + HOLD.idLow]!))
          holds.remove(slot)
        }
        expect(expired).toEqual(order)
      }),
      { numRuns: 200 },
    )
  })

  it('are placed once', () => {
    const holds = new Holds()
    holds.place(kept(1, 0n), 0)
    expect(() => holds.place(kept(1, 0n), 0)).toThrow('placed twice')
  })
})

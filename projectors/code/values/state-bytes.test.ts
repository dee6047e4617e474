import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RowBytes } from './row-bytes.ts'
import { putState, readState } from './state-bytes.ts'
import { anyState, plain, REFUSED, turned } from './states.testing.ts'
import { StateError, stateText } from './state-text.ts'

/** The bytes of a state, and those of its length in front of them. */
function bytesOf(state: unknown): { length: string; bytes: Buffer } {
  const out = new RowBytes()
  const size = putState(out, state)
  const all = Buffer.from(out.take())
  return {
    length: all.subarray(0, all.length - size).toString('hex'),
    bytes: all.subarray(all.length - size),
  }
}

describe('a state as bytes', () => {
  test('comes back equal', () => {
    fc.assert(
      fc.property(anyState, (state) => {
        expect(readState(bytesOf(state).bytes)).toEqual(plain(state))
      }),
    )
    expect(Object.is(readState(bytesOf(-0).bytes), -0)).toBe(true)
    expect(Object.is(readState(bytesOf([0, -0]).bytes), -0)).toBe(false)
  })

  test('numbers come back at every edge of what they are stored as', () => {
    const edges = [7, 14, 21, 28, 30, 31, 32, 35, 51, 52, 53, 63, 64, 65].map((bits) => 2n ** BigInt(bits))
    for (const edge of edges)
      for (const near of [edge - 1n, edge, edge + 1n])
        for (const big of [near, -near])
          for (const state of [big, Number(big), [Number(big)], [0, big]])
            expect(readState(bytesOf(state).bytes)).toEqual(state)
  })

  test('equal states have equal bytes, and only they', () => {
    fc.assert(
      fc.property(anyState, anyState, (one, other) => {
        const { bytes } = bytesOf(one)
        expect(bytesOf(turned(one)).bytes).toEqual(bytes)
        expect(bytes.equals(bytesOf(other).bytes)).toBe(stateText(one) === stateText(other))
      }),
    )
    expect(bytesOf(12).bytes).not.toEqual(bytesOf(12n).bytes)
  })

  test('stand behind their length, however long they are', () => {
    for (const letters of [0, 1, 124, 125, 126, 127, 16_000, 16_381, 16_382, 20_000]) {
      const { length, bytes } = bytesOf('x'.repeat(letters))
      const own = new RowBytes()
      own.unsigned(bytes.length)
      expect(length).toBe(Buffer.from(own.take()).toString('hex'))
      expect(readState(bytes)).toBe('x'.repeat(letters))
    }
  })

  test('states that were stored as text are read as ever', () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const text = stateText(state)
        // Lone halves of a character had been escaped.
        expect(readState(Buffer.from(text))).toEqual(plain(state))
      }),
    )
  })

  test('what would come back as something else is refused', () => {
    for (const wrong of REFUSED) expect(() => bytesOf(wrong)).toThrow(StateError)
  })

  test('bytes that are no state are refused', () => {
    const { bytes } = bytesOf({ list: [1, 2, 300], text: 'ä', wide: '…', big: 2n ** 70n, whole: [1.5, true] })
    for (let end = 0; end < bytes.length; end++)
      expect(() => readState(bytes.subarray(0, end))).toThrow(StateError)
    expect(() => readState(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(StateError)
    expect(() => readState(Buffer.of(31))).toThrow(StateError)
    expect(() => readState(Buffer.from([10, 255, 255, 255, 15]))).toThrow(StateError)
    expect(() => readState(Buffer.from([4, 255, 255, 255, 255, 255, 255, 255, 255, 255]))).toThrow(StateError)
  })
})

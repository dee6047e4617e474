import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  horizonAfter,
  encodeHorizonAge,
  encodeHorizonRest,
  SKIP_REASONS,
  skipReasonOf,
} from './frame-notes.ts'

const timeMs = fc.integer({ min: 0, max: 4_000_000_000_000 })

test('a horizon that a frame says is never later than the true one, and earlier by a thousandth of its age at most', () => {
  fc.assert(
    fc.property(timeMs, timeMs, fc.bigInt(0n, 999_999n), (nowMs, horizonMs, restNs) => {
      const timeNs = BigInt(nowMs) * 1_000_000n + restNs
      const said = horizonAfter(-1, { timeNs, idHorizon: encodeHorizonAge(timeNs, horizonMs) })
      const ageMs = nowMs - horizonMs
      if (ageMs < 0) expect(said).toBe(nowMs)
      else if (ageMs > 2_047 * 2 ** 27) expect(said).toBe(-1)
      else {
        expect(said).toBeLessThanOrEqual(horizonMs)
        expect(horizonMs - said).toBeLessThanOrEqual(ageMs / 1_000)
      }
    }),
    { numRuns: 2_000 },
  )
})

/** What a reader knows behind frames of these times and horizons, age and rest in turn, and before each of them what is true. */
function readAll(frames: readonly { timeMs: number; horizonMs: number }[], hasRestFirst: boolean): number[] {
  let known = -1
  return frames.map(({ timeMs, horizonMs }, index) => {
    const timeNs = BigInt(timeMs) * 1_000_000n
    const isRest = index % 2 === (hasRestFirst ? 0 : 1)
    const idHorizon = isRest ? encodeHorizonRest(horizonMs) : encodeHorizonAge(timeNs, horizonMs)
    expect(idHorizon).toBeLessThanOrEqual(0xffff)
    return (known = horizonAfter(known, { timeNs, idHorizon }))
  })
}

test('whatever frames a reader begins with, and however the horizon rises between them, what it knows is never later', () => {
  const steps = fc.array(fc.tuple(fc.nat(5_000), fc.oneof(fc.constant(0), fc.nat(10_000_000))), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(timeMs, timeMs, steps, fc.boolean(), (nowMs, firstMs, rises, hasRestFirst) => {
      let [atMs, horizonMs] = [nowMs, firstMs]
      const frames = rises.map(([later, rise]) => ({ timeMs: (atMs += later), horizonMs: (horizonMs += rise) }))
      readAll(frames, hasRestFirst).forEach((known, index) => expect(known).toBeLessThanOrEqual(frames[index]!.horizonMs))
    }),
    { numRuns: 2_000 },
  )
}) // prettier-ignore

test('a horizon of the last two hours is known to the millisecond behind three frames, so the rows of an import that carry that very time are told', () => {
  fc.assert(
    fc.property(fc.nat(2 * 3_600_000), fc.array(fc.nat(900), { minLength: 3, maxLength: 3 }), fc.boolean(), (ageMs, gaps, hasRestFirst) => {
      const horizonMs = 1_790_000_000_000
      let timeMs = horizonMs + ageMs
      const frames = gaps.map((gap) => ({ timeMs: (timeMs += gap), horizonMs }))
      expect(readAll(frames, hasRestFirst).at(-1)).toBe(horizonMs)
    }),
    { numRuns: 2_000 },
  )
}) // prettier-ignore

test('an older one soon is, as frames are of different times', () => {
  const horizonMs = 1_790_000_000_000
  for (const days of [1, 30, 365]) {
    const frames = Array.from({ length: 6_000 }, (_, frame) => ({
      timeMs: horizonMs + days * 86_400_000 + frame * 3_907,
      horizonMs,
    }))
    expect(readAll(frames, false).at(-1)).toBe(horizonMs)
  }
})

test('where no id was ever forgotten, and in frames of earlier versions, no horizon is said', () => {
  expect(encodeHorizonAge(1n, -1)).toBe(0)
  expect(encodeHorizonRest(-1)).toBe(0)
  for (const known of [-1, 7]) {
    expect(horizonAfter(known, { timeNs: 10n ** 18n, idHorizon: 0 })).toBe(known)
    expect(horizonAfter(known, { timeNs: 10n ** 18n })).toBe(known)
  }
})

test('a mark says why; one of a later version is no reason to take commands for decided', () => {
  for (const [name, number] of Object.entries(SKIP_REASONS)) expect(skipReasonOf(number)).toBe(name)
  expect(skipReasonOf(0)).toBeUndefined()
  expect(skipReasonOf(undefined)).toBeUndefined()
  expect(skipReasonOf(200)).toBe('unreadable')
})

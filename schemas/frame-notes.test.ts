import fc from 'fast-check'
import { expect, test } from 'vitest'
import { horizonOf, sayHorizon, SKIP_REASONS, skipReasonOf } from './frame-notes.ts'

const timeMs = fc.integer({ min: 0, max: 4_000_000_000_000 })

test('a horizon that a frame says is never later than the true one, and earlier by a thousandth of its age at most', () => {
  fc.assert(
    fc.property(timeMs, timeMs, fc.bigInt(0n, 999_999n), (nowMs, horizonMs, restNs) => {
      const timeNs = BigInt(nowMs) * 1_000_000n + restNs
      const said = horizonOf({ timeNs, idHorizon: sayHorizon(timeNs, horizonMs) })
      const ageMs = nowMs - horizonMs
      if (ageMs < 0) expect(said).toBe(nowMs)
      else {
        expect(said).toBeLessThanOrEqual(horizonMs)
        expect(horizonMs - said).toBeLessThanOrEqual(ageMs / 1_000)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('the latest horizon that frames say comes to be the true one, as they are of different times', () => {
  const horizonMs = 1_790_000_000_000
  let latest = -1
  for (let frame = 0; frame < 5_000; frame++) {
    const timeNs = BigInt(horizonMs + 86_400_000 + frame * 29) * 1_000_000n
    latest = Math.max(latest, horizonOf({ timeNs, idHorizon: sayHorizon(timeNs, horizonMs) }))
  }
  expect(horizonMs - latest).toBeLessThan(29)
})

test('where no id was ever forgotten, and in frames of earlier versions, no horizon is said', () => {
  expect(sayHorizon(1n, -1)).toBe(0)
  expect(horizonOf({ timeNs: 10n ** 18n, idHorizon: 0 })).toBe(-1)
  expect(horizonOf({ timeNs: 10n ** 18n })).toBe(-1)
})

test('a mark says why; one of a later version is no reason to take commands for decided', () => {
  for (const [name, number] of Object.entries(SKIP_REASONS)) expect(skipReasonOf(number)).toBe(name)
  expect(skipReasonOf(0)).toBeUndefined()
  expect(skipReasonOf(undefined)).toBeUndefined()
  expect(skipReasonOf(200)).toBe('unreadable')
})

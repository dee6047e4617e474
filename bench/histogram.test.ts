import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Histogram } from './histogram.ts'

describe('histogram', () => {
  test('every percentile is that of the sorted values, within one part in 64', () => {
    const microseconds = fc.oneof(fc.nat(200), fc.nat(100_000), fc.nat(1_000_000_000))
    fc.assert(
      fc.property(
        fc.array(microseconds, { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1),
        (values, share) => {
          const histogram = new Histogram()
          for (const value of values) histogram.record(value / 1_000)
          const sorted = values.toSorted((left, right) => left - right)
          const exact = sorted[Math.max(1, Math.ceil(share * values.length)) - 1]!
          const found = histogram.percentile(share) * 1_000
          expect(found).toBeGreaterThanOrEqual(exact - 1e-6)
          expect(found).toBeLessThanOrEqual(exact * (1 + 1 / 64) + 1)
        },
      ),
    )
  })

  test('the maximum is exact, and no percentile exceeds it', () => {
    const histogram = new Histogram()
    for (const value of [0.001, 7.25, 123.456]) histogram.record(value)
    expect(histogram.latency()).toMatchObject({ max: 123.456 })
    expect(histogram.percentile(1)).toBe(123.456)
  })

  test('two histograms joined are one of all values', () => {
    const joined = new Histogram()
    const all = new Histogram()
    for (const part of [
      [1, 2, 3],
      [400, 5_000],
    ]) {
      const histogram = new Histogram()
      for (const value of part) {
        histogram.record(value)
        all.record(value)
      }
      joined.add(histogram.buckets(), histogram.max())
    }
    expect(joined.latency()).toEqual(all.latency())
    expect(joined.count()).toBe(5)
  })

  test('values out of range count at its ends', () => {
    const histogram = new Histogram()
    histogram.record(-1)
    histogram.record(1e12, 2)
    expect(histogram.count()).toBe(3)
    expect(histogram.percentile(0.01)).toBe(0.001 - 0.001)
  })
})

import { describe, expect, it } from 'vitest'
import { LagSamples, LagTrends } from './lag-trend.ts'
import type { ProjectionStatus } from './status.ts'

/** Samples every ten seconds. */
function trendOf(lags: readonly number[]): ReturnType<LagSamples['trend']> {
  const samples = new LagSamples()
  for (const [index, lag] of lags.entries()) samples.add(index * 10_000, BigInt(lag))
  return samples.trend()
}

describe('the trend of a lag', () => {
  it('is the slope of its samples', () => {
    expect(trendOf([0, 1_000, 2_000])).toEqual({ direction: 'growing', eventsPerSecond: 100, seconds: 20 })
    expect(trendOf([5_000, 3_000, 1_000])).toEqual({ direction: 'shrinking', eventsPerSecond: -200, seconds: 20 })
  }) // prettier-ignore

  it('is level where a lag only breathes, however high it is', () => {
    expect(trendOf([3, 0, 5, 1])?.direction).toBe('level')
    expect(trendOf([1_000_000, 1_001_000, 1_000_000, 1_000_500])?.direction).toBe('level')
  })

  it('is not known from one sample', () => {
    expect(trendOf([])).toBeUndefined()
    expect(trendOf([7])).toBeUndefined()
  })

  it('looks back for 15 minutes and no further', () => {
    const lags = Array.from({ length: 200 }, (_, index) => (index < 100 ? index * 1_000 : 200_000 - index * 1_000)) // prettier-ignore
    expect(trendOf(lags)).toEqual({ direction: 'shrinking', eventsPerSecond: -100, seconds: 900 })
  })

  it('begins anew with a new version', () => {
    let [nowMs, version] = [0, 1]
    let task: () => void = () => undefined
    const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: (delayMs: number, next: () => void) => { task = () => { nowMs += delayMs; next() }; return () => undefined } } // prettier-ignore
    const status = (): readonly ProjectionStatus[] => [{ name: 'audit', version, lagEvents: BigInt(nowMs) } as ProjectionStatus] // prettier-ignore
    const trends = new LagTrends(status, clock)
    task()
    expect(trends.seen(status())[0]!.trend?.direction).toBe('growing')
    version = 2
    task()
    expect(trends.seen(status())[0]!.trend).toBeUndefined()
    trends.stop()
  })
})

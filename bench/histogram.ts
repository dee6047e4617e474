/**
 * Latencies in bounded memory: counts in buckets whose width grows with the value, so that every percentile is right
 * within one part in 64, from a microsecond to an hour. The idea is HdrHistogram's (Tene); the code is forty lines, so
 * there is no package for it. Recording does not allocate.
 */

/** Buckets per doubling. */
const STEPS = 64
const STEPS_SHIFT = 6
/** Highest value that is told from others, microseconds: about 76 hours. */
const MICROSECONDS_MAX = 2 ** 38 - 1
const BUCKETS = (38 - STEPS_SHIFT + 1) * STEPS

export class Histogram {
  private readonly counts = new Float64Array(BUCKETS)
  private total = 0
  private highest = 0

  /** @param milliseconds negative ones count as 0 */
  record(milliseconds: number, times = 1): void {
    const microseconds = Math.min(Math.max(Math.floor(milliseconds * 1_000), 0), MICROSECONDS_MAX)
    const bucket = bucketOf(microseconds)
    this.counts[bucket] = this.counts[bucket]! + times
    this.total += times
    if (milliseconds > this.highest) this.highest = milliseconds
  }

  /** Takes in what another one recorded. */
  add(buckets: Float64Array, max: number): void {
    buckets.forEach((count, bucket) => {
      this.counts[bucket] = this.counts[bucket]! + count
      this.total += count
    })
    if (max > this.highest) this.highest = max
  }

  /** What was recorded, to be sent elsewhere and added there. */
  buckets(): Float64Array {
    return this.counts.slice()
  }

  count(): number {
    return this.total
  }

  /** The greatest value recorded, exact, in milliseconds. */
  max(): number {
    return this.highest
  }

  /** The value, in milliseconds, that this share of all values does not exceed; 0 if there are none. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.total))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.counts[bucket]!
      if (seen >= rank) return Math.min((upperEdge(bucket) - 1) / 1_000, this.highest)
    }
    return 0
  }

  latency(): { readonly p50: number; readonly p99: number; readonly max: number } {
    return { p50: this.percentile(0.5), p99: this.percentile(0.99), max: this.max() }
  }
}

/** Below 64 µs one bucket a microsecond; above, 64 buckets for each doubling. */
function bucketOf(microseconds: number): number {
  if (microseconds < STEPS) return microseconds
  const doubling = Math.floor(Math.log2(microseconds)) - STEPS_SHIFT
  return (doubling + 1) * STEPS + Math.floor(microseconds / 2 ** doubling) - STEPS
}

/** First microsecond behind a bucket. */
function upperEdge(bucket: number): number {
  if (bucket < STEPS) return bucket + 1
  const doubling = Math.floor(bucket / STEPS) - 1
  return ((bucket % STEPS) + STEPS + 1) * 2 ** doubling
}

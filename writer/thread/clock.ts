/** The writer's clock: wall time in nanoseconds since 1970, finer than the system's milliseconds. */
import { NS_PER_MS } from '../../schemas/time.ts'

/** How far the fine clock may stray from the wall clock before it is set again. */
const STRAY_MS_MAX = 2

/**
 * Makes a clock that takes its place from the wall clock and its fine steps from the monotonic one. It follows the wall
 * clock when that is set, backwards too: the core's own stamps increase all the same.
 */
export function createClock(): () => bigint {
  let wallNs = 0n
  let monotonicNs = 0n
  function set(): void {
    wallNs = BigInt(Date.now()) * NS_PER_MS
    monotonicNs = process.hrtime.bigint()
  }
  set()
  return () => {
    const nowNs = wallNs + process.hrtime.bigint() - monotonicNs
    const strayMs = Number(nowNs / NS_PER_MS) - Date.now()
    if (Math.abs(strayMs) <= STRAY_MS_MAX) return nowNs
    set()
    return wallNs
  }
}

/** Waiting in tests for what comes about by itself. */
import { PATIENCE_MS } from './patience.ts'

/**
 * Waits until something holds; looks every few milliseconds.
 * @param what said if it does not come about
 * @returns milliseconds that it took
 * @throws Error if it does not hold within `forMs`
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  forMs = PATIENCE_MS,
): Promise<number> {
  const startedMs = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedMs > forMs) throw new Error(`not within ${forMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - startedMs
}

/** Stopping the parts of a process. */

/**
 * Stops what runs, one step behind the other. A part that has failed does not keep the others running: the process has to end.
 * @throws the first step's error, once all have been tried
 */
export async function stopInOrder(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps)
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  if (failures.length > 0) throw failures[0]
}

/** Stops each at once, waits for all, and then throws what one of them threw. */
export async function stopTogether(parts: readonly { stop(): Promise<void> }[]): Promise<void> {
  const results = await Promise.allSettled(parts.map((part) => part.stop()))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

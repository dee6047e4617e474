/** Processes are made of parts: starting them so that a failure leaves nothing running, and stopping them. */

/** What runs by now, in the order in which it was started. A start fills it, so that a failed one knows what to stop. */
export abstract class Parts {
  #stopping: Promise<void> | undefined

  /** One behind the other, the doors first. */
  protected abstract steps(): readonly (() => unknown)[]

  /**
   * Stops what runs, once, however often it is asked to. A part that has failed does not keep the others running: the
   * process has to end.
   * @throws the first step's error, once all have been tried
   */
  stop(): Promise<void> {
    return (this.#stopping ??= stopInOrder(this.steps()))
  }
}

/** Makes a whole of parts. If that fails, those that run by then are stopped. */
export async function assembleOf<P extends Parts, T>(
  parts: P,
  assemble: (parts: P) => Promise<T>,
): Promise<T> {
  try {
    return await assemble(parts)
  } catch (error) {
    // Why it did not start says more than why it could not be stopped.
    await parts.stop().catch(() => undefined)
    throw error
  }
}

/** Waits for parts that start at a time. If one fails, those that have started are stopped. */
export async function startTogether<T>(
  starting: readonly Promise<T>[],
  stop: (started: readonly T[]) => unknown,
): Promise<T[]> {
  const results = await Promise.allSettled(starting)
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return started
  // Why one did not start says more than why another could not be stopped.
  await stopInOrder([() => stop(started)]).catch(() => undefined)
  throw failed.reason
}

/** Stops each at once, waits for all, and then throws what one of them threw. */
export async function stopTogether(parts: readonly { stop(): Promise<void> }[]): Promise<void> {
  const results = await Promise.allSettled(parts.map((part) => part.stop()))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function stopInOrder(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps)
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  if (failures.length > 0) throw failures[0]
}

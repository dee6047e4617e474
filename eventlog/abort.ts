/** Ending what is waited for: by the first of two signals, and without waiting for whoever does not listen to one. */

/**
 * A signal that aborts with the first of two, until it is released. Not `AbortSignal.any`: what that makes of a signal that
 * lives for long is kept as long as the signal (56 bytes a call on Node 20), and readers ask for as long as the process lives.
 */
export function eitherOf(
  first: AbortSignal,
  second: AbortSignal | undefined,
): { readonly signal: AbortSignal; readonly release: () => void } {
  if (second === undefined) return { signal: first, release: () => undefined }
  const either = new AbortController()
  const signals = [first, second]
  const onAbort = (): void => {
    either.abort(signals.find(({ aborted }) => aborted)?.reason)
  }
  for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true })
  if (signals.some(({ aborted }) => aborted)) onAbort()
  return {
    signal: either.signal,
    release: () => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort)
    },
  }
}

/** What the work comes to, or the signal's reason as soon as it aborts. The work's own failure is nobody's then. */
export function unlessAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work()
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const onAbort = (): void => {
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    work()
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener('abort', onAbort)
      })
  })
}

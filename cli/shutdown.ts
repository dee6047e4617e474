/** Ctrl-C and its kin: the first one stops in order, the second one ends at once, which loses nothing acknowledged either. */

const EXIT_CODE_INTERRUPTED = 130
/** One Ctrl-C may arrive twice: from the terminal, and passed on by `npm start`. */
const SAME_PRESS_MS = 500

/** Resolves at the first SIGINT or SIGTERM. From then on a second one ends the process hard. */
export function stopRequested(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => {
        if (askedAtMs !== undefined && performance.now() - askedAtMs > SAME_PRESS_MS)
          process.exit(EXIT_CODE_INTERRUPTED)
        askedAtMs ??= performance.now()
        resolve(signal)
      })
  })
}

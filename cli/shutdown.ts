/** Ctrl-C and its kin: the first one stops in order, the second one ends at once, which loses nothing acknowledged either. */

const EXIT_CODE_INTERRUPTED = 130

/** Resolves at the first SIGINT or SIGTERM. From then on a second one ends the process hard. */
export function stopRequested(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let asked = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => {
        if (asked) process.exit(EXIT_CODE_INTERRUPTED)
        asked = true
        resolve(signal)
      })
  })
}

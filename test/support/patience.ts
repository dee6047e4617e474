/**
 * Longest time that a test waits for what has to come, in ms. It comes at once on a machine with nothing else to do, and
 * much later on one that is busy: only what never comes should take so long.
 */
export const PATIENCE_MS = 60_000
/** Longest time that a test may take: some wait twice. */
export const TEST_MS_MAX = 2 * PATIENCE_MS

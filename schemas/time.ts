/** Units of time: events are stamped in nanoseconds, ids and clocks of the system go by milliseconds. */

export const NS_PER_MS = 1_000_000n

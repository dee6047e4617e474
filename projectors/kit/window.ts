/**
 * "The last hour, by recorded time": a window that slides over the events of one key, as a state that a code projection may
 * keep. It knows no clock: the time is the one of the event that is added.
 *
 * A window is exact while it holds no more than `entriesMax` entries. Beyond that, entries that fall into the same slot, of
 * `spanNs / (entriesMax / 2)` each, are joined, and leave the window together, when the newest of them does. So it never
 * counts too little; what it counts too much is older than the window by less than one slot.
 */

/** What has been added within the span that ends with the newest of it. */
export interface Window {
  /** How often something was added. */
  readonly count: number
  /** The sum of the amounts that were added. */
  readonly sum: bigint
  /** Three values for each entry, the oldest first: its time (of the newest, where several are joined), how many, their sum. */
  readonly entries: readonly (bigint | number)[]
  /** A window is kept as a state, whose properties are open. */
  readonly [name: string]: number | bigint | readonly (bigint | number)[]
}

export interface SlidingWindow {
  /** The window of a key to which nothing has been added yet. */
  readonly empty: Window
  /**
   * The window after an amount at `atNs`. The one that is given stays as it was. Copies no more than `3 × entriesMax` values.
   * @throws RangeError if the time lies before that of the newest entry
   */
  add(window: Window, atNs: bigint, amount: bigint): Window
  /** The window as it is at `atNs`, if nothing is added until then. */
  at(window: Window, atNs: bigint): Window
}

const VALUES = 3
const ENTRIES_MIN = 8

/**
 * @param spanNs length of the window in nanoseconds, 1 or more: an entry that is exactly as old is out
 * @param entriesMax 8 or more
 * @throws RangeError for others
 */
export function slidingWindow(spanNs: bigint, entriesMax = 64): SlidingWindow {
  if (spanNs < 1n) throw new RangeError(`a window of ${spanNs} ns`)
  if (!Number.isSafeInteger(entriesMax) || entriesMax < ENTRIES_MIN)
    throw new RangeError(`a window of ${entriesMax} entries: ${ENTRIES_MIN} at least`)
  const slotNs = slotOf(spanNs, entriesMax)
  return {
    empty: { count: 0, sum: 0n, entries: [] },
    add: (window, atNs, amount) => {
      const newest = window.entries.at(-VALUES)
      if (newest !== undefined && atNs < newest)
        throw new RangeError(`time goes back in a window, from ${newest} to ${atNs}`)
      const { count, sum, entries } = without(window, atNs - spanNs)
      entries.push(atNs, 1, amount)
      return {
        count: count + 1,
        sum: sum + amount,
        entries: entries.length > VALUES * entriesMax ? joined(entries, slotNs) : entries,
      }
    },
    at: (window, atNs) => without(window, atNs - spanNs),
  }
}

/** Width of the slots in which entries are joined, in nanoseconds. */
export function slotOf(spanNs: bigint, entriesMax: number): bigint {
  const slots = BigInt(Math.floor(entriesMax / 2))
  return (spanNs + slots - 1n) / slots
}

/** The window without the entries up to `lastNs`. */
function without(window: Window, lastNs: bigint): { count: number; sum: bigint; entries: (bigint | number)[] } {
  let { count, sum } = window
  const { entries } = window
  let from = 0
  for (; from < entries.length && (entries[from] as bigint) <= lastNs; from += VALUES) {
    count -= entries[from + 1] as number
    sum -= entries[from + 2] as bigint
  }
  return { count, sum, entries: entries.slice(from) }
} // prettier-ignore

/** The entries, with those of the same slot joined. Slots stand still, so that the same events are always joined alike. */
function joined(entries: readonly (bigint | number)[], slotNs: bigint): (bigint | number)[] {
  const all: (bigint | number)[] = []
  let slot: bigint | undefined
  for (let at = 0; at < entries.length; at += VALUES) {
    const itsSlot = (entries[at] as bigint) / slotNs
    if (itsSlot === slot) {
      const last = all.length - VALUES
      all[last] = entries[at]!
      all[last + 1] = (all[last + 1] as number) + (entries[at + 1] as number)
      all[last + 2] = (all[last + 2] as bigint) + (entries[at + 2] as bigint)
    } else all.push(entries[at]!, entries[at + 1]!, entries[at + 2]!)
    slot = itsSlot
  }
  return all
}

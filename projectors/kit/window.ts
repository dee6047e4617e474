/**
 * "The last hour, by recorded time": a window that slides over the events of one key, as a state that a code projection may
 * keep. It knows no clock: the time is the one of the event that is added.
 *
 * A window is exact while it holds no more than `entriesMax` entries. Beyond that, entries that fall into the same slot, of
 * `spanNs / (entriesMax / 2)` each, are joined, and leave the window together, when the newest of them does. So it never
 * counts too little; what it counts too much is older than the window by less than one slot.
 */

/** Numbers where they are exact, bigints beyond: a list of numbers alone is copied in one go, and never looked through. */
type Exact = number | bigint

/** What has been added within the span that ends with the newest of it. */
export interface Window {
  /** How often something was added. */
  readonly count: number
  /** The sum of the amounts that were added. */
  readonly sum: bigint
  /** Nanoseconds since 1970 from which the times of the entries are counted. */
  readonly fromNs: bigint
  /** Three values for each entry, the oldest first: its time (of the newest, where several are joined), how many, their sum. */
  readonly entries: readonly Exact[]
  /** A window is kept as a state, whose properties are open. */
  readonly [name: string]: Exact | readonly Exact[]
}

export interface SlidingWindow {
  /** The window of a key to which nothing has been added yet. */
  readonly empty: Window
  /**
   * The window after an amount at `atNs`. The one that is given stays as it was. Copies no more than `3 × entriesMax` values.
   * @throws RangeError if the time lies before that of the newest entry
   */
  readonly add: (window: Window, atNs: bigint, amount: bigint) => Window
  /** The window as it is at `atNs`, if nothing is added until then. */
  readonly at: (window: Window, atNs: bigint) => Window
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
    empty: { count: 0, sum: 0n, fromNs: 0n, entries: [] },
    add: (window, atNs, amount) => {
      const { count, sum, entries } = without(window, atNs - spanNs)
      const fromNs = entries.length === 0 ? atNs : window.fromNs
      const at = exact(atNs - fromNs)
      if (entries.length > 0 && at < entries.at(-VALUES)!)
        throw new RangeError(`time goes back in a window: ${atNs} is not its newest`)
      entries.push(at, 1, exact(amount))
      return {
        count: count + 1,
        sum: sum + amount,
        fromNs,
        entries: entries.length > VALUES * entriesMax ? joined(entries, slotNs) : entries,
      }
    },
    at: (window, atNs) => ({ ...without(window, atNs - spanNs), fromNs: window.fromNs }),
  }
}

/** Width of the slots in which entries are joined, in nanoseconds. */
export function slotOf(spanNs: bigint, entriesMax: number): bigint {
  const slots = BigInt(Math.floor(entriesMax / 2))
  return (spanNs + slots - 1n) / slots
}

/** What a window holds without the entries up to `lastNs`. */
function without(window: Window, lastNs: bigint): { count: number; sum: bigint; entries: Exact[] } {
  let { count, sum } = window
  const { entries, fromNs } = window
  const last = exact(lastNs - fromNs)
  let from = 0
  for (; from < entries.length && entries[from]! <= last; from += VALUES) {
    count -= Number(entries[from + 1])
    sum -= BigInt(entries[from + 2]!)
  }
  return { count, sum, entries: entries.slice(from) }
}

/** The entries, with those of the same slot joined. The slots stay where they are for as long as the window is not empty. */
function joined(entries: readonly Exact[], slotNs: bigint): Exact[] {
  const all: Exact[] = []
  let slot: bigint | undefined
  for (let at = 0; at < entries.length; at += VALUES) {
    const [itsAt, itsCount, itsSum] = [entries[at]!, entries[at + 1]!, entries[at + 2]!]
    const itsSlot = BigInt(itsAt) / slotNs
    if (itsSlot === slot) {
      const last = all.length - VALUES
      all[last] = itsAt
      all[last + 1] = Number(all[last + 1]) + Number(itsCount)
      all[last + 2] = exact(BigInt(all[last + 2]!) + BigInt(itsSum))
    } else all.push(itsAt, itsCount, itsSum)
    slot = itsSlot
  }
  return all
}

function exact(value: bigint): Exact {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

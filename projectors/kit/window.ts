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
  const span = exact(spanNs)
  return {
    empty: { count: 0, sum: 0n, fromNs: 0n, entries: [] },
    add: (window, atNs, amount) => {
      const { entries, fromNs } = window
      const at = exact(atNs - fromNs)
      if (entries.length > 0 && at < entries.at(-VALUES)!)
        throw new RangeError(`time goes back in a window: ${atNs} is not its newest`)
      const left = leftOf(window, at, span)
      if (left.from === entries.length)
        return { count: 1, sum: amount, fromNs: atNs, entries: [0, 1, exact(amount)] }
      const added = withEntry(entries, left.from, at, exact(amount))
      return {
        count: left.count + 1,
        sum: left.sum + amount,
        fromNs,
        entries: added.length > VALUES * entriesMax ? joined(added, slotNs) : added,
      }
    },
    at: (window, atNs) => {
      const { count, sum, from } = leftOf(window, exact(atNs - window.fromNs), span)
      return { count, sum, fromNs: window.fromNs, entries: window.entries.slice(from) }
    },
  }
}

/** Width of the slots in which entries are joined, in nanoseconds. */
export function slotOf(spanNs: bigint, entriesMax: number): bigint {
  const slots = BigInt(Math.floor(entriesMax / 2))
  return (spanNs + slots - 1n) / slots
}

/** What is left of a window at a time, counted as its entries' are. @returns and which of its values is the first of them */
function leftOf(
  { count, sum, entries }: Window,
  at: Exact,
  span: Exact,
): { count: number; sum: bigint; from: number } {
  // Beyond what numbers hold exactly both are bigints.
  const last =
    typeof at === 'number' && typeof span === 'number' ? at - span : exact(BigInt(at) - BigInt(span))
  let from = 0
  for (; from < entries.length && entries[from]! <= last; from += VALUES) {
    count -= Number(entries[from + 1])
    sum -= BigInt(entries[from + 2]!)
  }
  return { count, sum, from }
}

/** The entries behind `from`, and one more. Its memory is made once, as large as it has to be: this is most of what a window costs. */
function withEntry(entries: readonly Exact[], from: number, at: Exact, amount: Exact): Exact[] {
  const length = entries.length - from
  const all = new Array<Exact>(length + VALUES)
  for (let index = 0; index < length; index++) all[index] = entries[from + index]!
  all[length] = at
  all[length + 1] = 1
  all[length + 2] = amount
  return all
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

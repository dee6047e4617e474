/**
 * A copy of both generations of remembered ids as they stood at one moment, made a slice at a time.
 *
 * The older generation never changes, and of the younger one only empty places are filled: which ones, one bit a place
 * says. Once the younger one is full or has grown, its set is left as it is, and no longer watched. Neither set may be
 * emptied and used again before it is copied, so a generation that is dropped meanwhile takes new memory.
 */
import { KEY_BYTES, KEY_WORDS32, type RememberedIds } from '../state/remembered-ids.ts'

export class IdsCopy {
  readonly younger: Int32Array
  readonly older: Int32Array
  private readonly remembered: RememberedIds
  private added: Int32Array | undefined
  private nextYounger = 0
  private nextOlder = 0

  /** Copies the sets as they stand now: at once, or over a time from `attach` to `detach`. */
  constructor(remembered: RememberedIds) {
    this.remembered = remembered
    this.younger = remembered.current.keys
    this.older = remembered.previous?.keys ?? new Int32Array(0)
  }

  attach(): void {
    this.added = new Int32Array(Math.ceil(this.younger.length / KEY_WORDS32 / 32))
    this.remembered.added = this.added
    this.remembered.inCopy = [this.younger, this.older]
  }

  detach(): void {
    this.remembered.added = undefined
    this.remembered.inCopy = []
    this.added = undefined
  }

  /** Writes as many more places of the younger set as fit. Returns the bytes. */
  copyYounger(into: Uint8Array): number {
    const first = this.nextYounger
    const bytes = copyKeys(this.younger, first, into)
    this.nextYounger += bytes / KEY_BYTES
    if (this.added !== undefined) removeAdded(this.added, first, this.nextYounger, into)
    return bytes
  }

  copyOlder(into: Uint8Array): number {
    const bytes = copyKeys(this.older, this.nextOlder, into)
    this.nextOlder += bytes / KEY_BYTES
    return bytes
  }
}

function copyKeys(keys: Int32Array, first: number, into: Uint8Array): number {
  const from = first * KEY_BYTES
  const bytes = Math.min(into.length - (into.length % KEY_BYTES), keys.byteLength - from)
  into.set(new Uint8Array(keys.buffer, keys.byteOffset + from, bytes))
  return bytes
}

/** Empties, in a copy of the places from `first` to before `end`, those that were filled since. */
function removeAdded(added: Int32Array, first: number, end: number, into: Uint8Array): void {
  for (let group = first >>> 5; group * 32 < end; group++) {
    let bits = added[group]!
    while (bits !== 0) {
      const place = group * 32 + 31 - Math.clz32(bits)
      bits &= ~(1 << (place & 31))
      if (place >= first && place < end)
        into.fill(0, (place - first) * KEY_BYTES, (place + 1 - first) * KEY_BYTES)
    }
  }
}

/** Which event an author's functions are at, in memory that the process's own watch reads while they run. */

const BUSY = 0
const BEATS = 1
const WORDS = 2

export class Progress {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #sequence: BigInt64Array

  constructor(shared = new SharedArrayBuffer(16)) {
    this.shared = shared
    this.#words = new Int32Array(shared, 0, WORDS)
    this.#sequence = new BigInt64Array(shared, WORDS * 4, 1)
  }

  /** The functions are about to be called for this event. */
  at(sequence: bigint): void {
    this.#sequence[0] = sequence
    this.#words[BEATS]!++
    Atomics.store(this.#words, BUSY, 1)
  }

  /** None of them runs. */
  idle(): void {
    Atomics.store(this.#words, BUSY, 0)
  }

  /** The event that they are at; undefined if none of them runs. */
  get sequence(): bigint | undefined {
    return Atomics.load(this.#words, BUSY) === 0 ? undefined : Atomics.load(this.#sequence, 0)
  }

  /** Another number with every event. */
  get beats(): number {
    return Atomics.load(this.#words, BEATS)
  }
}

/** Steps for one partition, gathered as slots until they are offered to its queue: memory that is used again and again. */
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'

const SLOTS_MIN = 256
const SLOT_WORDS32 = COMMAND_SLOT_BYTES / 4

export class StepBatch {
  /** The slots by words of 32 bits, and by bytes. Both are new ones after `claim`. */
  words = new Int32Array(SLOTS_MIN * SLOT_WORDS32)
  bytes = new Uint8Array(this.words.buffer)
  /** Steps, each of one slot or more. */
  count = 0
  readonly #countMax: number
  #slots = 0

  /** @param countMax steps that it takes, 1 to BATCH_COMMANDS_MAX; a queue has to have room for so many at least */
  constructor(countMax: number = BATCH_COMMANDS_MAX) {
    this.#countMax = countMax
  }

  get isFull(): boolean {
    return this.count === this.#countMax
  }

  /**
   * Makes room for one more step of so many slots. Returns the word with which it begins. Its first slot has whatever stood
   * there before, to be written over wholly; the others are zeros.
   */
  claim(slots: number): number {
    const first = this.#slots * SLOT_WORDS32
    const end = first + slots * SLOT_WORDS32
    if (end > this.words.length) this.#grow(end)
    if (slots > 1) this.words.fill(0, first + SLOT_WORDS32, end)
    this.#slots += slots
    this.count += 1
    return first
  }

  /** What was gathered. It stands until the next `clear`. */
  slots(): Uint8Array {
    return this.bytes.subarray(0, this.#slots * COMMAND_SLOT_BYTES)
  }

  clear(): void {
    this.#slots = 0
    this.count = 0
  }

  #grow(words: number): void {
    const grown = new Int32Array(Math.max(words, this.words.length * 2))
    grown.set(this.words)
    this.words = grown
    this.bytes = new Uint8Array(grown.buffer)
  }
}

/**
 * The newest events of a partition, found by id. A repeated command whose id was used a moment ago is answered from
 * here: from memory, at once, and even while the views do not answer. For older ids the views are asked.
 *
 * The newest frames themselves are kept; the log's own window holds the same memory. They are indexed only when
 * somebody asks. There are two generations: when the younger one is full, the older one is forgotten.
 */
import type { Frame } from '../../schemas/frames.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'

/**
 * Bytes of frames in one generation. Two generations are as large as the window of newest frames that the log keeps
 * anyway.
 */
const GENERATION_BYTES = 32 * 1024 * 1024
/** Memory that a frame takes besides its bytes, so that many small frames count too. */
const FRAME_OVERHEAD_BYTES = 1_024
/** Entries of the first index; it doubles when it is three quarters full. */
const ENTRIES_MIN = 1_024
const FILL_MAX = 0.75
/**
 * An entry: the number of the row's frame, from 1 (0: no entry); the byte at which the row begins; the key of its id.
 */
const ENTRY_WORDS = 3

/** An event: the rows of its frame, and the byte at which it begins. */
export interface FoundRow {
  readonly rows: FrameRows
  readonly byte: number
}

export class RecentEvents {
  readonly #generationBytes: number
  #younger = new Generation(ENTRIES_MIN)
  #older = new Generation(ENTRIES_MIN)

  constructor(generationBytes = GENERATION_BYTES) {
    this.#generationBytes = generationBytes
  }

  add(frame: Frame): void {
    if (frame.count === 0) return
    if (this.#younger.bytes >= this.#generationBytes) {
      this.#older = this.#younger
      this.#younger = new Generation(this.#older.entries)
    }
    this.#younger.add(frame)
  }

  /**
   * The event that a client's command with the id at `ids[at]` made (in the layout of frame-rows.ts): its outcome, or the
   * beginning of its crossing. Undefined: it is not among the newest events.
   */
  find(ids: Int32Array, at: number): FoundRow | undefined {
    return this.#younger.find(ids, at, isOfDoor) ?? this.#older.find(ids, at, isOfDoor)
  }

  /** The event that ended the crossing under the id. Undefined: it is not among the newest events. */
  findEnd(ids: Int32Array, at: number): FoundRow | undefined {
    return this.#younger.find(ids, at, isEnd) ?? this.#older.find(ids, at, isEnd)
  }
}

const isOfDoor = (rows: FrameRows, byte: number): boolean => rows.isOfDoor(byte)
const isEnd = (rows: FrameRows, byte: number): boolean => rows.endsCrossing(byte)

class Generation {
  bytes = 0
  readonly #frames: Frame[] = []
  /** The frames that are indexed. */
  readonly #indexed: FrameRows[] = []
  #entries: Int32Array
  #used = 0

  /** @param entries a power of two: as many as the generation before needed */
  constructor(entries: number) {
    this.#entries = new Int32Array(entries * ENTRY_WORDS)
  }

  get entries(): number {
    return this.#entries.length / ENTRY_WORDS
  }

  add(frame: Frame): void {
    this.#frames.push(frame)
    this.bytes += frame.bytes.length + FRAME_OVERHEAD_BYTES
  }

  find(
    ids: Int32Array,
    at: number,
    isWanted: (rows: FrameRows, byte: number) => boolean,
  ): FoundRow | undefined {
    while (this.#indexed.length < this.#frames.length) this.#index(this.#frames[this.#indexed.length]!)
    const entries = this.#entries
    const mask = this.entries - 1
    const key = ids[at + 2]!
    for (let slot = slotOf(key, mask); entries[slot * ENTRY_WORDS] !== 0; slot = (slot + 1) & mask) {
      const entry = slot * ENTRY_WORDS
      if (entries[entry + 2] !== key) continue
      const rows = this.#indexed[entries[entry]! - 1]!
      const byte = entries[entry + 1]!
      if (rows.isTransfer(byte, ids, at) && isWanted(rows, byte)) return { rows, byte }
    }
    return undefined
  }

  #index(frame: Frame): void {
    const rows = new FrameRows(frame)
    const number = this.#indexed.push(rows)
    while (this.#used + frame.count > this.entries * FILL_MAX) this.#grow()
    const entries = this.#entries
    const mask = this.entries - 1
    for (let byte = 0, end = rows.end; byte < end; byte = rows.after(byte))
      // The expiry of a hold and most steps of a crossing stand under the id as well, and are no outcome of a command.
      if (rows.isOfDoor(byte) || rows.endsCrossing(byte))
        put(entries, mask, rows.transferKey(byte), number, byte)
    this.#used += frame.count
  }

  #grow(): void {
    const old = this.#entries
    this.#entries = new Int32Array(old.length * 2)
    const mask = this.entries - 1
    for (let entry = 0; entry < old.length; entry += ENTRY_WORDS)
      if (old[entry] !== 0) put(this.#entries, mask, old[entry + 2]!, old[entry]!, old[entry + 1]!)
  }
}

/** The slot at which probing for a key begins. */
function slotOf(key: number, mask: number): number {
  return Math.imul(key, 0x9e3779b1) & mask
}

function put(entries: Int32Array, mask: number, key: number, frame: number, byte: number): void {
  let slot = slotOf(key, mask)
  while (entries[slot * ENTRY_WORDS] !== 0) slot = (slot + 1) & mask
  const entry = slot * ENTRY_WORDS
  entries[entry] = frame
  entries[entry + 1] = byte
  entries[entry + 2] = key
}

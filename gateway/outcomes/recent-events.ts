/**
 * The events of a partition that came last, findable by their id: what became of a command whose id was used a moment ago
 * is answered from memory, at once and whatever the views do. Who does not find it here asks the views.
 *
 * The frames themselves are kept, the newest of them, which the log's own window holds as well; an index over them is made
 * only when somebody asks. Two generations: when the younger is full, the older one is forgotten.
 */
import type { Frame } from '../../schemas/frames.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'

/** Bytes of frames in one generation. Two of them are the window in which the log keeps its newest frames anyway. */
const GENERATION_BYTES = 32 * 1024 * 1024
/** What a frame costs beside its bytes: so many small ones do not add up unseen. */
const FRAME_OVERHEAD_BYTES = 1_024
/** Entries of the first index; it doubles when it is three quarters full. */
const ENTRIES_MIN = 1_024
const FILL_MAX = 0.75
/** An entry: a row's frame, counted from 1 (0: no entry), the byte at which it begins, and the key of its id. */
const ENTRY_WORDS = 3

/** Where an event stands. */
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

  /** Takes the next frame. */
  add(frame: Frame): void {
    if (frame.count === 0) return
    if (this.#younger.bytes >= this.#generationBytes) {
      this.#older = this.#younger
      this.#younger = new Generation(this.#older.entries)
    }
    this.#younger.add(frame)
  }

  /** The first event under the id at `ids[at]` (as rows.ts writes ids), or undefined if it is not among the last ones. */
  find(ids: Int32Array, at: number): FoundRow | undefined {
    return this.#younger.find(ids, at) ?? this.#older.find(ids, at)
  }
}

class Generation {
  bytes = 0
  readonly #frames: Frame[] = []
  /** Those of the frames that the index covers. */
  readonly #indexed: FrameRows[] = []
  #entries: Int32Array
  #used = 0

  /** @param entries a power of two: as many as the generation before came to need */
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

  find(ids: Int32Array, at: number): FoundRow | undefined {
    while (this.#indexed.length < this.#frames.length) this.#index(this.#frames[this.#indexed.length]!)
    const entries = this.#entries
    const mask = this.entries - 1
    const key = ids[at + 2]!
    for (let slot = slotOf(key, mask); entries[slot * ENTRY_WORDS] !== 0; slot = (slot + 1) & mask) {
      const entry = slot * ENTRY_WORDS
      if (entries[entry + 2] !== key) continue
      const rows = this.#indexed[entries[entry]! - 1]!
      const byte = entries[entry + 1]!
      if (rows.isTransfer(byte, ids, at)) return { rows, byte }
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
      // A hold that has expired has its event under the hold's own id: not the outcome of any command.
      if (!rows.isTimer(byte)) put(entries, mask, rows.transferKey(byte), number, byte)
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

/** The slot at which the probing for a key begins. */
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

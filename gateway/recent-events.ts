/**
 * The events of a partition that came last, findable by their id: what became of a command whose id was used a moment ago
 * is answered from memory, at once and whatever the views do. Who does not find it here asks the views.
 *
 * The frames themselves are kept, the newest of them, which the log's own window holds as well; an index over them is made
 * only when somebody asks. Two generations: when the younger is full, the older one is forgotten.
 */
import type { Frame } from '../schemas/frames.ts'
import { EVENT_ROW_BYTES } from '../schemas/limits.ts'
import { FrameRows } from './rows.ts'

/** Bytes of frames in one generation. Two of them are the window in which the log keeps its newest frames anyway. */
const GENERATION_BYTES = 32 * 1024 * 1024
/** What a frame costs beside its bytes: so many small ones do not add up unseen. */
const FRAME_OVERHEAD_BYTES = 1_024
/** Entries of an index that begins; it doubles when it is half full. */
const ENTRIES_MIN = 1_024
/** An entry: a row's frame, counted from 1 (0: no entry), and the word of 8 bytes at which it begins. */
const ENTRY_WORDS = 2

/** Where an event stands. */
export interface FoundRow {
  readonly rows: FrameRows
  readonly byte: number
}

export class RecentEvents {
  readonly #generationBytes: number
  #younger = new Generation()
  #older = new Generation()

  constructor(generationBytes = GENERATION_BYTES) {
    this.#generationBytes = generationBytes
  }

  /** Takes the next frame. */
  add(frame: Frame): void {
    if (frame.count === 0) return
    if (this.#younger.bytes >= this.#generationBytes) {
      this.#older = this.#younger
      this.#younger = new Generation()
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
  #entries = new Int32Array(ENTRIES_MIN * ENTRY_WORDS)
  #used = 0

  add(frame: Frame): void {
    this.#frames.push(frame)
    this.bytes += frame.bytes.length + FRAME_OVERHEAD_BYTES
  }

  find(ids: Int32Array, at: number): FoundRow | undefined {
    while (this.#indexed.length < this.#frames.length) this.#index(this.#frames[this.#indexed.length]!)
    const entries = this.#entries
    const mask = entries.length - 1
    for (
      let entry = entryOf(ids[at + 2]!, mask);
      entries[entry] !== 0;
      entry = (entry + ENTRY_WORDS) & mask
    ) {
      const rows = this.#indexed[entries[entry]! - 1]!
      const byte = entries[entry + 1]! * 8
      if (rows.isTransfer(byte, ids, at)) return { rows, byte }
    }
    return undefined
  }

  #index(frame: Frame): void {
    const rows = new FrameRows(frame)
    this.#indexed.push(rows)
    const rowsMax = Math.ceil(rows.end / EVENT_ROW_BYTES)
    while ((this.#used + rowsMax) * 2 * ENTRY_WORDS > this.#entries.length) this.#grow()
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) {
      // A hold that has expired has its event under the hold's own id: not the outcome of any command.
      if (rows.isTimer(byte)) continue
      put(this.#entries, rows.transferKey(byte), this.#indexed.length, byte / 8)
      this.#used += 1
    }
  }

  #grow(): void {
    const grown = new Int32Array(this.#entries.length * 2)
    for (let entry = 0; entry < this.#entries.length; entry += ENTRY_WORDS) {
      const frame = this.#entries[entry]!
      if (frame === 0) continue
      const word = this.#entries[entry + 1]!
      put(grown, this.#indexed[frame - 1]!.transferKey(word * 8), frame, word)
    }
    this.#entries = grown
  }
}

/** Index of the entry at which the probing for a key begins. */
function entryOf(key: number, mask: number): number {
  return (Math.imul(key, 0x9e3779b1) >>> 1) & mask & ~(ENTRY_WORDS - 1)
}

function put(entries: Int32Array, key: number, frame: number, word: number): void {
  const mask = entries.length - 1
  let entry = entryOf(key, mask)
  while (entries[entry] !== 0) entry = (entry + ENTRY_WORDS) & mask
  entries[entry] = frame
  entries[entry + 1] = word
}

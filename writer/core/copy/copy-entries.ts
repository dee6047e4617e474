/**
 * A copy of a table of entries of equal size as they stood at one moment, made a slice at a time while they go on changing,
 * from the first one up. An entry that changes before its slice is made is kept first, once. Entries are copied in pieces,
 * so that a slice may be smaller than an entry.
 */
interface Table {
  /** Anew where the table has grown. */
  readonly words: BigInt64Array
  readonly count: number
  copy: EntriesCopy | undefined
}

/** Pieces kept in one part of memory. */
const CHUNK_SHIFT = 12

export class EntriesCopy {
  /** Bytes of the copy. */
  readonly length: number
  private readonly table: Table
  private readonly pieceWords: number
  private readonly piecesPerEntry: number
  /** Pieces of the copy. */
  private readonly count: number
  private next = 0
  /** By piece: the place where it is kept plus one, 0 if it is not. */
  private places = new Int32Array(0)
  private readonly chunks: BigInt64Array[] = []
  private kept = 0

  /**
   * Copies the entries as they stand now: at once, or over a time from `attach` to `detach`.
   * @param pieceWords words of a piece, at most eight; an entry is so many whole pieces
   */
  constructor(table: Table, pieceWords: number, piecesPerEntry: number) {
    this.table = table
    this.pieceWords = pieceWords
    this.piecesPerEntry = piecesPerEntry
    this.count = table.count * piecesPerEntry
    this.length = this.count * pieceWords * 8
  }

  attach(): void {
    if (this.count === 0) return
    this.places = new Int32Array(this.count)
    this.table.copy = this
  }

  detach(): void {
    this.table.copy = undefined
  }

  /** The entry at `index` is about to change. */
  keep(index: number): void {
    const first = index * this.piecesPerEntry
    for (let piece = first; piece < first + this.piecesPerEntry; piece++)
      if (piece >= this.next && piece < this.count && this.places[piece] === 0) this.keepPiece(piece)
  }

  /** Writes as many more pieces as fit. Returns the bytes. */
  copy(into: Uint8Array): number {
    const { pieceWords, next } = this
    const { words } = this.table
    const pieces = Math.min(Math.floor(into.length / (pieceWords * 8)), this.count - next)
    const copied = new BigInt64Array(into.buffer, into.byteOffset, pieces * pieceWords)
    copied.set(words.subarray(next * pieceWords, (next + pieces) * pieceWords))
    this.next += pieces
    if (this.kept > 0)
      for (let piece = 0; piece < pieces; piece++) {
        const place = this.places[next + piece]! - 1
        if (place < 0) continue
        const at = this.wordOf(place)
        const kept = this.chunks[place >>> CHUNK_SHIFT]!.subarray(at, at + pieceWords)
        copied.set(kept, piece * pieceWords)
      }
    return pieces * pieceWords * 8
  }

  private keepPiece(piece: number): void {
    const place = this.kept++
    this.places[piece] = place + 1
    if (place >>> CHUNK_SHIFT === this.chunks.length)
      this.chunks.push(new BigInt64Array(this.pieceWords << CHUNK_SHIFT))
    const { words } = this.table
    const chunk = this.chunks[place >>> CHUNK_SHIFT]!
    const to = this.wordOf(place)
    const from = piece * this.pieceWords
    for (let word = 0; word < this.pieceWords; word++) chunk[to + word] = words[from + word]!
  }

  /** Word of a place within its chunk. */
  private wordOf(place: number): number {
    return (place & ((1 << CHUNK_SHIFT) - 1)) * this.pieceWords
  }
}

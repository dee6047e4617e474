/**
 * Finds the rows of commands in a frame. Each row is found once, in the order in which the frame consumed the commands.
 */
import type { FrameRows } from '../../schemas/frame-rows.ts'

export const NO_ROW = -1

export class RowMatcher {
  readonly rows: FrameRows
  readonly #end: number
  #byte = 0
  /** Id key → rows not found yet. Made once rows of other commands may stand between. */
  #index: Map<number, number[]> | undefined

  constructor(rows: FrameRows) {
    this.rows = rows
    this.#end = rows.end
  }

  /**
   * The row of the id at `ids[at]`, if it is the next one. Only valid while every command of the frame waits here: then
   * the next row belongs to this id or to one behind it.
   * @returns the byte at which the row begins, or NO_ROW
   */
  next(ids: Int32Array, at: number): number {
    const { rows } = this
    let byte = this.#byte
    while (byte < this.#end && !rows.isOfDoor(byte)) byte = rows.after(byte)
    if (byte < this.#end && rows.isTransfer(byte, ids, at)) {
      this.#byte = rows.after(byte)
      return byte
    }
    this.#byte = byte
    return NO_ROW
  }

  /**
   * The row of the id, whatever rows stand before it. After the first call, `next` may not be called any more.
   * @returns as `next`
   */
  find(ids: Int32Array, at: number): number {
    this.#index ??= this.#indexRest()
    const candidates = this.#index.get(ids[at + 2]!)
    if (candidates === undefined) return NO_ROW
    for (let index = 0; index < candidates.length; index++)
      if (this.rows.isTransfer(candidates[index]!, ids, at)) return candidates.splice(index, 1)[0]!
    return NO_ROW
  }

  #indexRest(): Map<number, number[]> {
    const index = new Map<number, number[]>()
    for (; this.#byte < this.#end; this.#byte = this.rows.after(this.#byte)) {
      if (!this.rows.isOfDoor(this.#byte)) continue
      const key = this.rows.transferKey(this.#byte)
      const known = index.get(key)
      if (known === undefined) index.set(key, [this.#byte])
      else known.push(this.#byte)
    }
    return index
  }
}

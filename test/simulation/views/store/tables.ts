/**
 * The tables behind the simulated store. A block of rows is visible from when it is applied, and certain to outlive a
 * crash once it is `kept`: until then a crash keeps it or loses it, whole, as a part that was or was not renamed in time.
 */
import type { Random } from '../../random.ts'

/** A row as any table has it. */
export interface TableRow {
  readonly key: string
  readonly sequence: bigint
  /** Where a table keeps only the latest row of a key, the highest wins. */
  readonly version: bigint
  readonly text: string
}

/** Rows that one insert put into one table. */
export interface Block {
  readonly rows: readonly TableRow[]
  /** A later block of the same token is dropped, for as long as the table remembers it. */
  readonly token: string | undefined
}

export class ViewsBrokenError extends Error {
  override readonly name = 'ViewsBrokenError'
}

export interface TableOptions {
  /** Tokens of blocks that it remembers. */
  readonly tokensMax: number
  /** Of one key only the row of the highest version counts. */
  readonly isLatestOnly: boolean
  /** Rows of one key and version may differ: then the one that came last counts. */
  readonly isLoose?: boolean
  /** True of a row that counts beside another of its key and version, whichever came first. */
  readonly overrides?: (row: TableRow) => boolean
}

/** One incarnation of a table: dropping it and making it anew gives another. */
export class Table {
  readonly name: string
  readonly #options: TableOptions
  readonly #kept = new Map<string, TableRow>()
  /** Bytes that came under a token, by their hash: one token, one content, for as long as the table lives. */
  readonly #contents = new Map<string, string>()
  #fresh: { readonly block: Block; readonly rows: Map<string, TableRow> }[] = []
  #tokens: string[] = []
  #isSpoiled = false

  constructor(name: string, options: TableOptions) {
    this.name = name
    this.#options = options
  }

  /** @throws ViewsBrokenError if other bytes have come under the token before */
  sameContent(token: string, content: string): void {
    if ((this.#contents.get(token) ?? content) !== content)
      throw new ViewsBrokenError(`other bytes came under the token ${token}`)
    this.#contents.set(token, content)
  }

  /**
   * Makes a block visible.
   * @returns what has to be kept before the insert is answered: the block, or the one that came under its token before, if
   *   that is not kept yet; undefined if nothing has to be
   * @throws ViewsBrokenError if a row is there already, and says something else
   */
  apply(block: Block): Block | undefined {
    if (block.token !== undefined && this.#tokens.includes(block.token))
      return this.#fresh.find((fresh) => fresh.block.token === block.token)?.block
    const rows = new Map<string, TableRow>()
    for (const row of block.rows) {
      for (const other of [rows.get(row.key), this.row(row.key)]) this.#compare(row, other)
      rows.set(row.key, this.#winner(rows.get(row.key), row))
    }
    this.#fresh.push({ block, rows })
    const { tokensMax } = this.#options
    if (block.token !== undefined && tokensMax > 0)
      this.#tokens = [...this.#tokens, block.token].slice(-tokensMax)
    return block
  }

  /** From now on the block outlives a crash. */
  keep(block: Block): void {
    const found = this.#fresh.find((fresh) => fresh.block === block)
    if (found === undefined) return
    this.#fresh = this.#fresh.filter((fresh) => fresh !== found)
    for (const [key, row] of found.rows) this.#kept.set(key, this.#winner(this.#kept.get(key), row))
  }

  /** Power goes: of the blocks that are not kept, some are lost. Returns how many. */
  crash(random: Random): number {
    const lost = this.#fresh.filter(() => random.chance(0.5))
    for (const { block } of this.#fresh) if (!lost.some((other) => other.block === block)) this.keep(block)
    this.#fresh = []
    this.#tokens = this.#tokens.filter((token) => !lost.some(({ block }) => block.token === token))
    return lost.length
  }

  /** Takes away, for good, every row that an event has made. */
  forget(sequence: bigint): void {
    for (const rows of [this.#kept, ...this.#fresh.map((fresh) => fresh.rows)])
      for (const [key, row] of rows) if (row.sequence === sequence) rows.delete(key)
  }

  /** Somebody changes a row by hand, or takes it away. False if there is none up to that sequence. */
  spoil(random: Random, upTo: bigint): boolean {
    const rows = [...this.#kept.values()].filter(({ sequence }) => sequence <= upTo)
    if (rows.length === 0) return false
    this.#isSpoiled = true
    const row = random.pick(rows)
    if (random.chance(0.5)) this.#kept.delete(row.key)
    else this.#kept.set(row.key, { ...row, text: `${row.text} by hand` })
    return true
  }

  row(key: string): TableRow | undefined {
    let found = this.#kept.get(key)
    for (const { rows } of this.#fresh) {
      const row = rows.get(key)
      if (row !== undefined) found = this.#winner(found, row)
    }
    return found
  }

  /** Every row that a query without repeats would give. */
  rows(): readonly TableRow[] {
    const keys = new Set(this.#kept.keys())
    for (const { rows } of this.#fresh) for (const key of rows.keys()) keys.add(key)
    return [...keys].map((key) => this.row(key)!)
  }

  #winner(left: TableRow | undefined, right: TableRow): TableRow {
    const { overrides } = this.#options
    if (left === undefined || left.version < right.version) return right
    const isLeft = left.version > right.version || (overrides?.(left) === true && !overrides(right))
    return isLeft ? left : right
  }

  #compare(row: TableRow, other: TableRow | undefined): void {
    const { isLatestOnly, isLoose = false, overrides } = this.#options
    if (other === undefined || isLoose || this.#isSpoiled) return
    if (overrides?.(row) === true || overrides?.(other) === true) return
    if (isLatestOnly && row.version !== other.version) return
    if (row.text !== other.text || row.sequence !== other.sequence || row.version !== other.version)
      throw new ViewsBrokenError(`${this.name} has two rows ${row.key}: ${shown(other)} and ${shown(row)}`)
  }
}

function shown({ sequence, version, text }: TableRow): string {
  return `[${sequence} v${version} ${text}]`
}

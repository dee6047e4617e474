/**
 * The tables behind the simulated store. A block of rows is visible from when it is applied, and certain to outlive a
 * crash once it is `kept`: until then a crash keeps it or loses it, whole, as a part that was or was not renamed in time.
 */
import type { Random } from '../random.ts'
import { LATEST_ONLY } from './rows.ts'

/** A row as any table has it. */
export interface TableRow {
  readonly key: string
  readonly sequence: bigint
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

/** One incarnation of a table: dropping it and making it anew gives another. */
export class Table {
  readonly name: string
  readonly #tokensMax: number
  readonly #isLatestOnly: boolean
  readonly #kept = new Map<string, TableRow>()
  #fresh: { readonly block: Block; readonly rows: Map<string, TableRow> }[] = []
  #tokens: string[] = []

  /** @param tokensMax tokens of blocks that it remembers */
  constructor(name: string, tokensMax: number, isLatestOnly = LATEST_ONLY.has(name)) {
    this.name = name
    this.#tokensMax = tokensMax
    this.#isLatestOnly = isLatestOnly
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
    if (block.token !== undefined) this.#tokens = [...this.#tokens, block.token].slice(-this.#tokensMax)
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
    return left !== undefined && left.version > right.version ? left : right
  }

  #compare(row: TableRow, other: TableRow | undefined): void {
    if (other === undefined || (this.#isLatestOnly && row.version !== other.version)) return
    if (row.text !== other.text || row.sequence !== other.sequence || row.version !== other.version)
      throw new ViewsBrokenError(`${this.name} has two rows ${row.key}: ${shown(other)} and ${shown(row)}`)
  }
}

function shown({ sequence, version, text }: TableRow): string {
  return `[${sequence} v${version} ${text}]`
}

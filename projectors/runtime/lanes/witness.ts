/** What the store says of the tables that a lane fills: which they are, what they hold, and who fills them since. */
import type { QueryOptions, ViewStore } from '../../clickhouse/view-store.ts'
import { checkpointsName } from '../../registry/tables.ts'
import { blocksIn, type Blocks } from './blocks.ts'

/**
 * What tells a table from one that was made again in its place. The embedded engine shows no identity of a table but in the
 * folder where its rows are; what has no rows there, as a feed, has none.
 */
const IDENTITY = `if(uuid != toUUID('00000000-0000-0000-0000-000000000000') OR empty(data_paths), toString(uuid),
  extract(data_paths[1], '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'))`

/** A table, or what fills one, as it stands in the store. */
export interface Part {
  readonly identity: string
  /** What it holds of the lane's partition; none of what keeps no rows, and of a table over a cluster. */
  readonly blocks: Blocks
  /** Conditions by which somebody has had rows deleted from it, as the store remembers them. */
  readonly deletions: readonly string[]
}

/** By name: of those that are there. */
export type Parts = ReadonlyMap<string, Part>

interface Fact {
  readonly what: 'part' | 'blocks' | 'deletion' | 'epoch'
  readonly name: string
  readonly value: string
}

const PARTS = `SELECT 'part' AS what, name, ${IDENTITY} AS value FROM system.tables
  WHERE database = currentDatabase() AND name IN {names:Array(String)}`

/** Also of tables that are not divided. What a deletion has left empty holds nothing. */
const ROWS = `SELECT 'blocks' AS what, table AS name,
    arrayStringConcat(groupArray(concat(toString(min_block_number), '-', toString(max_block_number))), ',') AS value
  FROM system.parts WHERE database = currentDatabase() AND table IN {names:Array(String)} AND active AND rows > 0
    AND partition_id IN (toString({partition:UInt16}), 'all') GROUP BY table
  UNION ALL
  SELECT 'deletion' AS what, table AS name, command AS value FROM system.mutations
  WHERE database = currentDatabase() AND table IN {names:Array(String)}
    AND (command ILIKE '%DELETE WHERE%' OR command LIKE '%_row_exists%')`

const EPOCHS = `SELECT 'epoch' AS what, concat(projection_name, ' ', toString(version)) AS name, toString(max(epoch)) AS value
  FROM ${checkpointsName()} WHERE partition = {partition:UInt16} GROUP BY projection_name, version`

/** Asks for what a lane stands on. */
export class Witness {
  readonly #store: ViewStore
  readonly #partition: number
  readonly #report: (line: string) => void
  #mayLook = true

  constructor(store: ViewStore, partition: number, report: (line: string) => void) {
    this.#store = store
    this.#partition = partition
    this.#report = report
  }

  async parts(names: readonly string[]): Promise<Parts> {
    return partsIn(await this.#ask(names, [PARTS]))
  }

  /** Parts, and of each version of the partition (`versionKey`) the highest epoch; of one without a checkpoint none. */
  async partsAndEpochs(
    names: readonly string[],
    options: QueryOptions,
  ): Promise<{ readonly parts: Parts; readonly epochs: ReadonlyMap<string, bigint> }> {
    const facts = await this.#ask(names, [EPOCHS, PARTS], options)
    const epochs = facts.filter(({ what }) => what === 'epoch')
    return { parts: partsIn(facts), epochs: new Map(epochs.map(({ name, value }) => [name, BigInt(value)])) }
  }

  async #ask(names: readonly string[], questions: readonly string[], options: QueryOptions = {}): Promise<Fact[]> {
    const ask = (all: readonly string[]): Promise<Fact[]> =>
      this.#store.query<Fact>(all.join('\nUNION ALL\n'), { names, partition: this.#partition }, options)
    if (!this.#mayLook) return ask(questions)
    try {
      return await ask([...questions, ROWS])
    } catch (error) {
      if ((error as { type?: unknown }).type !== 'ACCESS_DENIED') throw error
      this.#mayLook = false
      this.#report(
        'projections: this user may not read system.parts and system.mutations, so rows that somebody takes away are found by a comparison alone. `purser users` gives the rights.',
      )
      return ask(questions)
    }
  } // prettier-ignore
}

function partsIn(facts: readonly Fact[]): Parts {
  const valuesOf = (what: Fact['what'], of: string): string[] =>
    facts.filter((one) => one.what === what && one.name === of).map(({ value }) => value)
  return new Map(
    facts
      .filter(({ what }) => what === 'part')
      .map(({ name, value }) => [
        name,
        {
          identity: value,
          blocks: blocksIn(valuesOf('blocks', name).join()),
          deletions: valuesOf('deletion', name),
        },
      ]),
  )
}

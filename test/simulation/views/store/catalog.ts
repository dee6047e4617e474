/** What there is in the simulated store: tables, feeds and what fills the ones from the others, each with an identity. */
import { checkpointsName } from '../../../../projectors/registry/tables.ts'
import { decodeEvents } from '../../../../schemas/events.ts'
import { HASH_BYTES } from '../../../../schemas/frames.ts'
import { PROJECTIONS, rowsOf } from '../rows.ts'
import { decodedRows } from './row-binary.ts'
import type { CreateTable, CreateView } from './statements.ts'
import { Table, type TableRow } from './tables.ts'

export type Thing = Stored | Feed | Filler

interface Stored {
  readonly kind: 'table'
  readonly identity: string
  readonly table: Table
  readonly made: CreateTable
}

/** What is inserted here goes only to what stands behind it. */
interface Feed {
  readonly kind: 'feed'
  readonly identity: string
}

interface Filler extends Omit<CreateView, 'kind'> {
  readonly kind: 'filler'
  readonly identity: string
}

/** As ClickHouse says that a table is not there. */
export class UnknownTableError extends Error {
  override readonly name = 'UnknownTableError'
  readonly type = 'UNKNOWN_TABLE'
  readonly code = '60'

  constructor(name: string) {
    super(`Table ${name} does not exist`)
  }
}

/** As ClickHouse says that it cannot compute something. */
export class RefusedEventError extends Error {
  override readonly name = 'RefusedEventError'
  readonly type = 'VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE'
}

/** The SELECT of each view's table → what it makes. */
const SELECTS = new Map(
  PROJECTIONS.all.flatMap((one) =>
    one.kind === 'sql'
      ? one.tables.map(({ select, where, name }) => [`${select}${where === undefined ? '' : ` WHERE ${where}`}`, name] as const)
      : [],
  ),
) // prettier-ignore

export class Catalog {
  readonly #things = new Map<string, Thing>()
  readonly #tokensMax: number
  /** Tables in which the registry keeps what it knows. */
  readonly #isRegistry: (name: string) => boolean
  #made = 0

  constructor(tokensMax: number, isRegistry: (name: string) => boolean) {
    this.#tokensMax = tokensMax
    this.#isRegistry = isRegistry
  }

  has(name: string): boolean {
    return this.#things.has(name)
  }

  names(): readonly string[] {
    return [...this.#things.keys()]
  }

  identity(name: string): string | undefined {
    return this.#things.get(name)?.identity
  }

  tables(): readonly Table[] {
    return [...this.#things.values()].flatMap((thing) => (thing.kind === 'table' ? [thing.table] : []))
  }

  table(name: string): Table | undefined {
    const thing = this.#things.get(name)
    return thing?.kind === 'table' ? thing.table : undefined
  }

  /** @throws UnknownTableError */
  get(name: string): Thing {
    const thing = this.#things.get(name)
    if (thing === undefined) throw new UnknownTableError(name)
    return thing
  }

  create(made: CreateTable | CreateView): void {
    const { name } = made
    if (this.#things.has(name)) return
    const identity = `uuid-${++this.#made}`
    if (made.kind === 'create view') {
      this.get(made.target)
      this.get(made.source)
      this.#things.set(name, { ...made, kind: 'filler', identity })
      return
    }
    const isRegistry = this.#isRegistry(name)
    const table = new Table(name, {
      tokensMax: isRegistry ? 0 : this.#tokensMax,
      isLatestOnly: made.highest !== undefined,
      isLoose: isRegistry,
      ...(name === checkpointsName() ? { overrides: saysEnd } : {}),
    })
    this.#things.set(
      name,
      made.isNull ? { kind: 'feed', identity } : { kind: 'table', identity, table, made },
    )
  }

  drop(name: string): void {
    this.#things.delete(name)
  }

  /**
   * Which rows an insert of these bytes puts into which tables.
   * @throws UnknownTableError
   */
  plan(name: string, bytes: Uint8Array): Map<Table, TableRow[]> {
    const thing = this.get(name)
    if (thing.kind === 'table') return new Map([[thing.table, decodedRows(thing.made, bytes)]])
    const given = decodeEvents(bytes).flatMap(rowsOf)
    return new Map(
      this.#behind(name).map(([table, made]) => [table, given.filter((row) => row.table === made)]),
    )
  }

  /** The tables behind a feed, each with what fills it. */
  #behind(feed: string): [Table, string][] {
    return [...this.#things.values()].flatMap((thing): [Table, string][] => {
      if (thing.kind !== 'filler' || thing.source !== feed) return []
      const target = this.get(thing.target)
      if (target.kind === 'feed') return this.#behind(thing.target)
      if (target.kind === 'filler') throw new Error(`${thing.name} fills ${thing.target}, which is a view`)
      const made = SELECTS.get(thing.select)
      if (made === undefined) throw new Error(`the simulated store does not know what ${thing.name} selects`)
      return [[target.table, made]]
    })
  }
}

/** A checkpoint that says that its version has ended counts beside the one of the same sequence before it. */
function saysEnd({ text }: TableRow): boolean {
  return text.includes(`"hash":"${'ff'.repeat(HASH_BYTES)}"`)
}

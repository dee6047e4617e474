/** Whether the stored views are what the log says: every version up to its checkpoint, and nothing that the log does not have. */
import type { WalletEvent } from '../../../schemas/events.ts'
import { Fold } from './fold.ts'
import { PROJECTIONS, TABLES_OF, type Row } from './rows.ts'
import { RegistryView, type StoredVersion } from './store/registry-view.ts'
import type { SimulatedStore } from './store/store.ts'
import { ViewsBrokenError, type TableRow } from './store/tables.ts'

export class ViewsCheck {
  readonly registry: RegistryView
  readonly #store: SimulatedStore
  readonly #fold = new Fold()
  /** Version → up to where its rows have been compared since rows may last have gone. */
  readonly #compared = new Map<string, number>()
  #losses = 0
  /** What the store counted when everything was last compared up to the checkpoints. */
  #seen = ''
  /** Versions whose rows somebody has changed by hand: they are not compared as long as they do not serve. */
  readonly #spoiled = new Set<string>()
  /** Stored rows never change: of each, the row of the log that it was found equal to. */
  readonly #equals = new WeakMap<TableRow, Row>()
  /** Of each, what was left out when an event was found that gave it. */
  readonly #given = new WeakMap<TableRow, string>()

  constructor(store: SimulatedStore) {
    this.#store = store
    this.registry = new RegistryView(store)
  }

  /** From here on this version is another than the log says: it must not come to serve. */
  spoiled(version: StoredVersion): void {
    this.#seen = ''
    this.#spoiled.add(keyOf(version))
  }

  isSpoiled(version: StoredVersion): boolean {
    return this.#spoiled.has(keyOf(version))
  }

  /**
   * Every event up to the checkpoint of each version has all its rows there, as summed up from the log.
   * @throws ViewsBrokenError where it has not
   */
  quick(events: readonly WalletEvent[]): void {
    this.#store.refuseBroken()
    const seen = `${this.#store.changes} ${this.#store.losses}`
    if (seen === this.#seen) return
    this.#seen = seen
    if (this.#losses !== this.#store.losses) this.#compared.clear()
    this.#losses = this.#store.losses
    for (const { name } of PROJECTIONS.all) {
      const serving = this.registry.versions().filter((one) => one.name === name && one.role === 'serving')
      if (serving.length > 1)
        throw new ViewsBrokenError(`${name} has ${serving.length} versions that serve: ${serving.map(keyOf).join(', ')}`)
    }
    for (const version of this.registry.versions()) this.#version(version, events)
  } // prettier-ignore

  /** As `quick`, from the first event on; and no table has a row that no event gave. */
  thorough(events: readonly WalletEvent[]): void {
    this.#compared.clear()
    this.#seen = ''
    this.quick(events)
    this.#fold.check()
    for (const version of this.registry.versions()) {
      if (version.role === 'dropped' || this.#isExcused(version)) continue
      const leftOut = [...version.skips].join()
      for (const logical of TABLES_OF.get(version.name) ?? [])
        for (const row of this.#store.table(`${logical}_v${version.version}`)?.rows() ?? [])
          if (this.#given.get(row) !== leftOut && this.#isGiven(logical, row, version, events))
            this.#given.set(row, leftOut)
    }
  }

  #version(version: StoredVersion, events: readonly WalletEvent[]): void {
    const { checkpoint, role } = version
    if (checkpoint === undefined || role === 'dropped') return
    const position = Number(checkpoint.sequence)
    if (position > events.length)
      throw new ViewsBrokenError(
        `${keyOf(version)} holds ${position} events, and the log has ${events.length}`,
      )
    const recordedAtNs = events[position - 1]?.recordedAtNs ?? 0n
    if (checkpoint.recorded_at !== String(recordedAtNs))
      throw new ViewsBrokenError(
        `the checkpoint of ${keyOf(version)} at ${position} is not of ${recordedAtNs}: ${checkpoint.recorded_at}`,
      )
    this.#fold.upTo(position, events)
    if (this.#isExcused(version)) return
    const key = keyOf(version)
    for (let index = this.#compared.get(key) ?? 0; index < position; index++)
      for (const row of this.#fold.rowsOf(version.name, index, version.skips)) this.#find(row, version)
    this.#compared.set(key, position)
  }

  #isExcused(version: StoredVersion): boolean {
    return version.role !== 'serving' && this.isSpoiled(version)
  }

  #find(row: Row, version: StoredVersion): void {
    const stored = this.#store.table(`${row.table}_v${version.version}`)?.row(row.key)
    const what = `${keyOf(version)} (${version.role}), ${row.table}`
    if (stored === undefined)
      throw new ViewsBrokenError(`${what} lacks ${row.key} of ${row.sequence}, which the checkpoint covers`)
    if (stored.version > row.version || this.#equals.get(stored) === row) return
    if (stored.text !== row.text || stored.version !== row.version || stored.sequence !== row.sequence)
      throw new ViewsBrokenError(`${what} says ${stored.text} of ${row.key}, the log says ${row.text}`)
    this.#equals.set(stored, row)
  }

  /**
   * Rows beyond the checkpoint are early, not wrong; but no table has a row that no event gave, or that was left out.
   * @returns true if an event gives the row, whatever the checkpoint says
   */
  #isGiven(
    table: string,
    { key, sequence, text }: TableRow,
    version: StoredVersion,
    events: readonly WalletEvent[],
  ): boolean {
    this.#fold.upTo(Math.min(Number(sequence), events.length), events)
    const isThere = (skips: ReadonlySet<bigint>): boolean =>
      this.#fold
        .rowsOf(version.name, Number(sequence) - 1, skips)
        .some((row) => row.table === table && row.key === key && row.text === text)
    if (isThere(version.skips)) return true
    const isHeld = sequence <= BigInt(version.checkpoint?.sequence ?? 0)
    // Of what is left out a table that keeps only the newest may hold the row until a newer one comes; and what is not held yet
    // may stand as it was before something was left out.
    if (!((!isHeld || table === 'balances') && isThere(NONE)))
      throw new ViewsBrokenError(
        `${keyOf(version)}, ${table} has ${key} of ${sequence}, which the log has not: ${text}`,
      )
    return false
  }
}

const NONE: ReadonlySet<bigint> = new Set()

export function keyOf({ name, version }: { readonly name: string; readonly version: number }): string {
  return `${name} ${version}`
}

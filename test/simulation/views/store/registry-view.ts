/** What the registry says now, read past every client: for checks, and for who rules the world. */
import { SKIPS_TABLE, VERSIONS_TABLE } from '../../../../projectors/registry/tables.ts'
import { newestCheckpoints, said, type StoredCheckpoint } from './registry-rows.ts'
import { CHECKPOINTS } from './statements.ts'
import type { SimulatedStore } from './store.ts'
import type { TableRow } from './tables.ts'

export interface StoredVersion {
  readonly name: string
  readonly version: number
  readonly role: 'building' | 'serving' | 'kept' | 'dropped'
  readonly isPaused: boolean
  readonly isBounded: boolean
  /** The checkpoint that counts; undefined: none was written. */
  readonly checkpoint: StoredCheckpoint | undefined
  /** The highest that any runtime has written. */
  readonly highest: bigint
  readonly skips: ReadonlySet<bigint>
}

export class RegistryView {
  readonly #store: SimulatedStore
  #changes = -1
  #versions: readonly StoredVersion[] = []

  constructor(store: SimulatedStore) {
    this.#store = store
  }

  /** All versions that there ever were. */
  versions(): readonly StoredVersion[] {
    if (this.#changes !== this.#store.changes) {
      this.#changes = this.#store.changes
      this.#versions = this.#read()
    }
    return this.#versions
  }

  find(name: string, version: number | undefined): StoredVersion | undefined {
    return this.versions().find((one) => one.name === name && one.version === version)
  }

  serving(name: string): StoredVersion | undefined {
    return this.versions().find((one) => one.name === name && one.role === 'serving')
  }

  #read(): StoredVersion[] {
    const rows = (table: string): readonly TableRow[] => this.#store.table(table)?.rows() ?? []
    const newest = newestCheckpoints(rows(CHECKPOINTS))
    const all = rows(CHECKPOINTS).map((row) => said<StoredCheckpoint>(row))
    const skips = rows(SKIPS_TABLE).map((row) => said<{ name: string; version: number; sequence: string }>(row))
    return rows(VERSIONS_TABLE).map((one) => {
      const row = said<{ name: string; version: number; role: StoredVersion['role']; is_paused: number; until: string }>(one)
      const isOwn = (one: StoredCheckpoint): boolean => one.projection_name === row.name && one.version === row.version
      return {
        name: row.name,
        version: row.version,
        role: row.role,
        isPaused: row.is_paused !== 0,
        isBounded: row.until !== '',
        checkpoint: newest.find(isOwn),
        highest: all.filter(isOwn).reduce((most, { sequence }) => (BigInt(sequence) > most ? BigInt(sequence) : most), 0n),
        skips: new Set(skips.filter((one) => one.name === row.name && one.version === row.version).map(({ sequence }) => BigInt(sequence))),
      }
    })
  } // prettier-ignore
}

/**
 * Versions of projections, as the registry knows them. Each has tables of its own, and no number is given twice, so that a
 * writer who was forgotten can only write to tables that nobody reads, or the same rows to those that are read.
 */
import type { Position } from '../../schemas/positions.ts'
import { formatPosition, parsePosition } from '../../schemas/positions.ts'
import type { CodeTable } from '../code-projection.ts'
import type { KnownVersion } from '../serving-pointer.ts'
import { tableName, type Projection, type ProjectionTable } from '../projection.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { VERSIONS_TABLE } from './tables.ts'

/**
 * `building`: filled, not read. `serving`: read; one of each name. `kept`: filled, so that it can serve again at once.
 * `dropped`: gone, and its number with it.
 */
export type VersionRole = 'building' | 'serving' | 'kept' | 'dropped'

/** Where a version is to end: by position, or with the last event that was recorded by then. */
export type Until = { readonly position: Position } | { readonly timeNs: bigint }

/** What a version was made of. The functions of a code projection are not in it: these come from its module. */
export interface Definition {
  readonly kind: Projection['kind']
  readonly partitioning: 'account' | 'whole'
  /** Of an SQL projection. */
  readonly tables?: readonly ProjectionTable[]
  /** Of a code projection. */
  readonly codeTables?: Readonly<Record<string, CodeTable>>
}

export interface Version {
  readonly name: string
  readonly version: number
  /** The author's own count, of what it was made of. */
  readonly declared: number
  readonly role: VersionRole
  readonly isPaused: boolean
  /** Of the time, how much it may spend on filling while it is behind: above 0, at most 1. */
  readonly share: number
  readonly until: Until | undefined
  readonly definition: Definition
  /** Why it has this role, as said by whoever gave it. */
  readonly reason: string
  /** Counts what was said of this version. */
  readonly revision: bigint
}

interface Row {
  readonly name: string
  readonly version: number
  readonly revision: string
  readonly declared: number
  readonly role: VersionRole
  readonly is_paused: number
  readonly share: number
  readonly until: string
  readonly definition: string
  readonly reason: string
}

/** All versions that there ever were, in the order of names and numbers. The tables have to be there. */
export async function readVersions(store: ViewStore): Promise<Version[]> {
  const rows = await store.query<Row>(
    `SELECT name, version, revision, declared, role, is_paused, share, until, definition, reason
     FROM ${VERSIONS_TABLE} ORDER BY name, version, revision DESC LIMIT 1 BY name, version`,
  )
  return rows.map(versionOf)
}

/**
 * Says something new of versions, all of it at once, unless somebody else has said something of one of them since it was read.
 * @returns false if somebody has: then nothing was written
 */
export async function writeVersions(
  store: ViewStore,
  versions: readonly Version[],
  atMs: number,
): Promise<boolean> {
  if (versions.length === 0) return true
  const others = versions.map(
    (_one, index) =>
      `(name = {name${index}:String} AND version = {version${index}:UInt32} AND revision >= {revision${index}:UInt64})`,
  )
  const isNews = `(SELECT count() FROM ${VERSIONS_TABLE} WHERE ${others.join(' OR ')}) = 0`
  const rows = versions.map(
    (_one, index) =>
      `SELECT {name${index}:String}, {version${index}:UInt32}, {revision${index}:UInt64}, {declared${index}:UInt32},
        {role${index}:String}, {paused${index}:UInt8}, {share${index}:Float64}, {until${index}:String},
        {definition${index}:String}, {reason${index}:String}, {at:Int64} WHERE ${isNews}`,
  )
  const parameters = Object.fromEntries(
    versions.flatMap((one, index) =>
      Object.entries({
        name: one.name,
        version: one.version,
        revision: String(one.revision + 1n),
        declared: one.declared,
        role: one.role,
        paused: one.isPaused ? 1 : 0,
        share: one.share,
        until: untilText(one.until),
        definition: JSON.stringify(one.definition),
        reason: one.reason,
      }).map(([key, value]) => [`${key}${index}`, value] as const),
    ),
  )
  await store.command(
    `INSERT INTO ${VERSIONS_TABLE}
       (name, version, revision, declared, role, is_paused, share, until, definition, reason, at)
     ${rows.join(' UNION ALL ')}`,
    { ...parameters, at: String(atMs) },
  )
  // Asked, not taken from the insert: its answer may have been lost, and the insert sent twice.
  const now = await readVersions(store)
  return versions.every((one) => {
    const said = now.find(({ name, version }) => name === one.name && version === one.version)
    return said?.revision === one.revision + 1n && said.role === one.role && said.isPaused === one.isPaused && said.reason === one.reason
  })
} // prettier-ignore

/** The version of a name that is read. */
export function servingOf(versions: readonly Version[], name: string): Version | undefined {
  return versions.find((one) => one.name === name && one.role === 'serving')
}

/** The next number of a name, at least what its author says. */
export function nextNumber(versions: readonly Version[], name: string, declared: number): number {
  const highest = versions.reduce((most, one) => (one.name === name ? Math.max(most, one.version) : most), 0)
  return Math.max(highest + 1, highest === 0 ? declared : 0)
}

/** What is to be said so that these names begin anew: the number that serves is dropped, and the next one serves. */
export function resetting(versions: readonly Version[], names: readonly string[], reason: string): readonly Version[] {
  return names.flatMap((name) => {
    const serving = servingOf(versions, name)
    if (serving === undefined) return []
    const number = nextNumber(versions, name, serving.declared)
    const fresh: Version = { ...serving, version: number, isPaused: false, share: 1, until: undefined, reason, revision: 0n }
    return [fresh, { ...serving, role: 'dropped', reason }]
  })
} // prettier-ignore

/** What a version of this projection is made of. */
export function definitionOf(projection: Projection): Definition {
  const partitioning = ('partitioning' in projection ? projection.partitioning : undefined) ?? 'account'
  if (projection.kind === 'sql') return { kind: 'sql', partitioning, tables: projection.tables }
  if (projection.kind === 'code') return { kind: 'code', partitioning, codeTables: projection.tables }
  return { kind: 'sink', partitioning }
}

/** What readers call the tables of a version, and what they are called in the store. A sink has none. */
export function tablesOfVersion({ version, definition }: Version): Readonly<Record<string, string>> {
  const names = definition.tables?.map(({ name }) => name) ?? Object.keys(definition.codeTables ?? {})
  return Object.fromEntries(names.map((name) => [name, tableName({ version }, name)]))
}

/** The versions that are there, as readers are told of them. */
export function knownVersions(
  versions: readonly Version[],
  positionOf: (version: Version) => Position,
): readonly KnownVersion[] {
  return versions
    .filter(({ role }) => role !== 'dropped')
    .map((version) => ({
      projection: version.name,
      version: version.version,
      isServing: version.role === 'serving',
      position: positionOf(version),
      tables: tablesOfVersion(version),
    }))
}

/** True if both make the same rows, as far as that can be seen without running them. How they are stored may differ. */
export function isSameDefinition(left: Definition, right: Definition): boolean {
  return rowsText(left) === rowsText(right)
}

/** What rows follow from; spaces and line ends within SQL mean nothing. */
function rowsText(definition: Definition): string {
  const means = (key: string, value: unknown): unknown => {
    if (key === 'indexes' || key === 'mergedPartBytesMax') return undefined
    return typeof value === 'string' ? value.replace(/\s+/g, ' ').trim() : value
  }
  return JSON.stringify(definition, means)
}

function untilText(until: Until | undefined): string {
  if (until === undefined) return ''
  return 'position' in until ? `position ${formatPosition(until.position)}` : `time ${until.timeNs}`
}

function untilOf(text: string): Until | undefined {
  const [kind, value = ''] = text.split(' ')
  if (kind === 'position') return { position: parsePosition(value)! }
  return kind === 'time' ? { timeNs: BigInt(value) } : undefined
}

function versionOf(row: Row): Version {
  const { name, version, declared, role, share, reason } = row
  return {
    name,
    version,
    declared,
    role,
    share,
    reason,
    isPaused: row.is_paused !== 0,
    until: untilOf(row.until),
    definition: JSON.parse(row.definition) as Definition,
    revision: BigInt(row.revision),
  }
}

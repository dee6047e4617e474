/**
 * The guard before every checkpoint: what the rows stand in must be there, the very tables that were there when the lane began,
 * and nobody may have begun on the same versions since. Without it a table that was dropped by hand and made again would stand
 * there with rows missing behind a checkpoint that says they are there.
 */
import type { QueryOptions, ViewStore } from '../../clickhouse/view-store.ts'
import { checkpointsName } from '../../registry/tables.ts'
import { versionKey, type VersionKey } from '../checkpoints.ts'

/**
 * What tells a table from one that was made again in its place. The embedded engine shows no identity of a table but in the
 * folder where its rows are; what has no rows there, as a feed, has none.
 */
const IDENTITY = `if(uuid != toUUID('00000000-0000-0000-0000-000000000000') OR empty(data_paths), toString(uuid),
  extract(data_paths[1], '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'))`

/** Enough of a table's identity to tell it from one that was made again. */
const IDENTITY_CHARACTERS = 8

/** A version that a lane fills, under the epoch in which it does. */
export interface Held extends VersionKey {
  readonly epoch: bigint
  /** Which tables its rows stand in (`identityOf`); empty: not known. */
  readonly parts: string
}

/** Something is gone that rows stand in, or that fills it. */
export class PartsMissingError extends Error {
  override readonly name = 'PartsMissingError'
  readonly code = 'VIEWS_INCOMPLETE'
  constructor(missing: readonly string[]) {
    super(
      `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not there any more, or not what was there before. ` +
        'Reset the projection, or rebuild it and promote the new version: the log has everything that it held.',
    )
  }
}

/** Somebody else fills the same version of the same partition since. */
export class FencedError extends Error {
  override readonly name = 'FencedError'
  readonly code = 'PROJECTION_FENCED'
}

/** Tables and their identities, by name: of those that are there. */
export type Parts = ReadonlyMap<string, string>

export async function readParts(store: ViewStore, names: readonly string[]): Promise<Parts> {
  const rows = await store.query<{ name: string; identity: string }>(
    `SELECT name, ${IDENTITY} AS identity FROM system.tables
     WHERE database = currentDatabase() AND name IN {names:Array(String)}`,
    { names },
  )
  return new Map(rows.map(({ name, identity }) => [name, identity]))
}

/** @throws PartsMissingError if one of these is not there */
export function requireAll(names: readonly string[], there: Parts): void {
  const missing = names.filter((name) => !there.has(name))
  if (missing.length > 0) throw new PartsMissingError(missing)
}

/** Which tables these are, short enough to be said with every checkpoint: each name with the beginning of its identity. */
export function identityOf(names: readonly string[], there: Parts): string {
  return names.map((name) => `${name}=${there.get(name)?.slice(0, IDENTITY_CHARACTERS) ?? ''}`).join(' ')
}

/**
 * One that was made again is empty, however it came about: between two lanes, or while nothing ran.
 * @param said `identityOf` them, as it was said with the rows
 * @throws PartsMissingError if one of them is not the table that it was
 */
export function requireSame(said: string, there: Parts): void {
  const before = said === '' ? [] : said.split(' ').map((part) => part.split('=') as [string, string])
  const changed = before.filter(
    ([name, identity]) => there.get(name)?.slice(0, IDENTITY_CHARACTERS) !== identity,
  )
  if (changed.length > 0) throw new PartsMissingError(changed.map(([name]) => name))
}

/**
 * @param parts as they were when the lane began
 * @returns those of which no checkpoint stands any more
 * @throws PartsMissingError, FencedError
 */
export async function guard(
  store: ViewStore,
  partition: number,
  held: readonly Held[],
  parts: Parts,
  options: QueryOptions = {},
): Promise<readonly Held[]> {
  const rows = await store.query<{ what: string; name: string; value: string }>(
    `SELECT 'part' AS what, name, ${IDENTITY} AS value FROM system.tables
     WHERE database = currentDatabase() AND name IN {names:Array(String)}
     UNION ALL
     SELECT 'epoch' AS what, concat(projection_name, ' ', toString(version)) AS name, toString(max(epoch)) AS value
     FROM ${checkpointsName()} WHERE partition = {partition:UInt16} GROUP BY projection_name, version`,
    { names: [...parts.keys()], partition },
    options,
  )
  const now = new Map(rows.filter(({ what }) => what === 'part').map(({ name, value }) => [name, value]))
  const missing = [...parts].filter(([name, identity]) => now.get(name) !== identity).map(([name]) => name)
  if (missing.length > 0) throw new PartsMissingError(missing)
  for (const { what, name, value } of rows) {
    const own = held.find((one) => versionKey(one) === name)
    if (what === 'epoch' && own !== undefined && BigInt(value) > own.epoch)
      throw new FencedError(
        `${own.name} version ${own.version} of partition ${partition} is filled by another process since: this one has ended`,
      )
  }
  const standing = new Set(rows.flatMap(({ what, name }) => (what === 'epoch' ? [name] : [])))
  return held.filter((one) => !standing.has(versionKey(one)))
}

/**
 * The guard before every checkpoint: what the rows stand in must be there, the very tables that were there when the lane began,
 * and nobody may have begun on the same versions since. Without it a table that was dropped by hand and made again would stand
 * there with rows missing behind a checkpoint that says they are there.
 */
import type { ViewStore } from '../../clickhouse/view-store.ts'
import { checkpointsName } from '../../registry/tables.ts'
import { versionKey, type VersionKey } from '../checkpoints.ts'

/** A version that a lane fills, under the epoch in which it does. */
export interface Held extends VersionKey {
  readonly epoch: bigint
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
    `SELECT name, toString(uuid) AS identity FROM system.tables
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

/**
 * @param parts as they were when the lane began
 * @throws PartsMissingError, FencedError
 */
export async function guard(
  store: ViewStore,
  partition: number,
  held: readonly Held[],
  parts: Parts,
): Promise<void> {
  const rows = await store.query<{ what: string; name: string; value: string }>(
    `SELECT 'part' AS what, name, toString(uuid) AS value FROM system.tables
     WHERE database = currentDatabase() AND name IN {names:Array(String)}
     UNION ALL
     SELECT 'epoch' AS what, concat(projection_name, ' ', toString(version)) AS name, toString(max(epoch)) AS value
     FROM ${checkpointsName()} WHERE partition = {partition:UInt16} GROUP BY projection_name, version`,
    { names: [...parts.keys()], partition },
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
}

/** From what the registry says of versions to what lanes fill: one member for each version that this process can fill. */
import { dropTable } from '../clickhouse/layout.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { dropSharedFeed, sharedFeedsOf } from '../clickhouse/view-tables.ts'
import { stateTableName } from '../code/tables.ts'
import type { Layout, Projection, ProjectionSet } from '../projection.ts'
import { byPartition, type Skip } from '../registry/skips.ts'
import { definitionOf, isSameDefinition, tablesOfVersion, type Version } from '../registry/versions.ts'
import { tablesThere, versionKey, type Checkpoints } from './checkpoints.ts'
import type { Member } from './lanes/lane.ts'
import { SqlTarget } from './lanes/sql-target.ts'
import type { Target } from './lanes/target.ts'

export interface MembersOptions {
  readonly store: ViewStore
  readonly layout: Layout
  readonly projections: ProjectionSet
  /** Names of those that reads go by. */
  readonly required: readonly string[]
  /** True if the tables come from an earlier version of the program, which filled them otherwise. */
  readonly isTakenOver: () => boolean
  /** Makes the target of a version that needs code. */
  readonly targetOfCode: (version: Version, projection: Projection) => Target
}

interface Made {
  readonly target: Target
  readonly stamp: string
  readonly member: Member
}

export class Members {
  readonly #options: MembersOptions
  readonly #made = new Map<string, Made>()

  constructor(options: MembersOptions) {
    this.#options = options
  }

  /**
   * The members for these versions. One of which nothing new was said is the same object as before. What those that come need
   * is made; what those that are dropped had stays until `drop`.
   * @param checkpoints tables of a version that holds events are not made again: that they are gone has to be seen
   */
  async of(versions: readonly Version[], skips: readonly Skip[], checkpoints: Checkpoints): Promise<readonly Member[]> {
    const members: Member[] = []
    for (const version of versions) {
      if (version.role === 'dropped' || !this.#isHere(version)) continue
      const key = versionKey(version)
      const own = skips.filter((skip) => versionKey(skip) === key)
      const stamp = `${version.revision} ${own.length}`
      const before = this.#made.get(key)
      if (before?.stamp === stamp) {
        members.push(before.member)
        continue
      }
      const target = before?.target ?? this.#targetOf(version)
      const holds = [...(checkpoints.get(key)?.values() ?? [])].some(({ sequence }) => sequence > 0n)
      if (before === undefined && (!holds || (await this.#needsFillers(target)))) await target.prepare()
      await this.#forget(target, own)
      const member = this.#memberOf(version, target, own)
      this.#made.set(key, { target, stamp, member })
      members.push(member)
    }
    return members
  } // prettier-ignore

  /** Removes what a version had, once no lane fills it any more. Safe to repeat. */
  async drop(version: Version): Promise<void> {
    const key = versionKey(version)
    const made = this.#made.get(key)
    this.#made.delete(key)
    await made?.target.stop()
    const target = version.definition.kind === 'sql' ? (this.#targetOf(version) as SqlTarget) : undefined
    const parts = target?.parts ?? codePartsOf(version)
    if ((await tablesThere(this.#options.store, parts)).size === 0) return
    await this.#dropShared(version)
    if (target !== undefined) await target.drop()
    else await this.#dropCode(parts)
  }

  async #dropCode(names: readonly string[]): Promise<void> {
    const { store, layout } = this.#options
    const prefix = layout.database === undefined ? '' : `${layout.database}.`
    for (const name of names)
      for (const statement of dropTable(`${prefix}${name}`, layout)) await store.command(statement)
  }

  /** A feed that it shared would hand on to tables that are gone. */
  async #dropShared(version: Version): Promise<void> {
    const { store, layout } = this.#options
    const rows = await store.query<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, 'shared_')`,
    )
    const names = rows.map(({ name }) => name)
    for (const { shared, links } of sharedFeedsOf(version, names))
      for (const statement of dropSharedFeed(shared, links, layout)) await store.command(statement)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#made.values()].map(({ target }) => target.stop()))
  }

  /** True if all tables are there, and only what fills them is missing: code, or because an earlier version of the program filled them otherwise. */
  async #needsFillers(target: Target): Promise<boolean> {
    // Its process has to be started; what is missing of its tables has to be seen.
    if (!(target instanceof SqlTarget))
      return (await tablesThere(this.#options.store, target.parts)).size === target.parts.length
    if (!this.#options.isTakenOver()) return false
    const tables = target.tableNames
    return (await tablesThere(this.#options.store, tables)).size === tables.length
  }

  /** Rows of an event that is left out may stand in some table of the view; they are taken away before it goes on. */
  async #forget(target: Target, skips: readonly Skip[]): Promise<void> {
    for (const { partition, sequence } of skips) await target.forget?.(partition, sequence)
  }

  #isHere({ name, definition }: Version): boolean {
    const { all, running } = this.#options.projections
    if (running.some((one) => one.name === name)) return true
    // One that an operator has added stands in the registry alone; whoever runs all runs it as well.
    const isAdded = !all.some((one) => one.name === name)
    return isAdded && definition.kind === 'sql' && running.length === all.length
  }

  #memberOf(version: Version, target: Target, skips: readonly Skip[]): Member {
    const { name, version: number, isPaused, share, until } = version
    const isSql = version.definition.kind === 'sql'
    return {
      name,
      version: number,
      target,
      isPaused,
      share: version.role === 'building' ? share : 1,
      until,
      group: isSql ? (this.#options.required.includes(name) ? 'required' : 'others') : undefined,
      skips: byPartition(skips),
    }
  }

  #targetOf(version: Version): Target {
    const { store, layout, projections, targetOfCode } = this.#options
    const { name, version: number, definition } = version
    if (definition.kind === 'sql')
      return new SqlTarget(
        store,
        { name, version: number, tables: definition.tables!, partitioning: definition.partitioning },
        layout,
      )
    const projection = projections.all.find((one) => one.name === name)
    if (projection === undefined || !isSameDefinition(definitionOf(projection), definition))
      return new TargetWithoutCode(version)
    return targetOfCode(version, projection)
  }
}

function codePartsOf(version: Version): readonly string[] {
  return [...Object.values(tablesOfVersion(version)), stateTableName(version, version.version)]
}

/** A version whose functions are not in this program any more: it stands where it is. */
class TargetWithoutCode implements Target {
  readonly parts: readonly string[] = []
  readonly #version: Version

  constructor(version: Version) {
    this.#version = version
  }

  prepare(): Promise<void> {
    return Promise.resolve()
  }

  async write(): Promise<void> {
    const { name, version, declared } = this.#version
    throw new Error(
      `the code of ${name} version ${version} (declared ${declared}) is not in this program any more: promote a newer version, or bring the code back`,
    )
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }
}

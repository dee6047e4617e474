/**
 * What operators do with projections. Every operation only says something in the registry; whoever fills the views reads it
 * there and acts, whether it runs in this process or in another. What cannot be done is a value with a stable code.
 */
import { includesPosition, type Position } from '../../schemas/positions.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { Clock } from '../runtime/ports.ts'
import { heldBy, readCheckpoints, versionKey } from '../runtime/checkpoints.ts'
import type { Projection, SqlProjection } from '../projection.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Comparison } from '../proof/compare.ts'
import { readFaults } from './faults.ts'
import { readSkips, writeSkip } from './skips.ts'
import { statusOf, type VersionStatus } from './version-status.ts'
import {
  definitionOf,
  nextNumber,
  readVersions,
  resetting,
  servingOf,
  writeVersions,
  type Until,
  type Version,
} from './versions.ts'

export const OPERATION_REFUSALS = {
  unknown_projection: 'There is no projection of this name.',
  unknown_version: 'The projection has no such version.',
  rebuild_under_way: 'A version is being built already.',
  not_built: 'There is no version that was built and does not serve.',
  not_equal: 'The versions differ.',
  not_there_yet: 'The version does not hold yet what it has to hold.',
  stands_still: 'The version that is behind has stopped or is paused.',
  bounded: 'The version ends at a position, and can only be compared.',
  nothing_kept: 'No earlier version is kept.',
  serving: 'The version is read.',
  no_fault: 'The version has not stopped at this event.',
  no_reason: 'A reason has to be given.',
  name_taken: 'There is a projection of this name already.',
  changed: 'Somebody else has changed the versions meanwhile. Look again.',
  invalid: 'What was given is not valid.',
} as const
export type OperationRefusalCode = keyof typeof OPERATION_REFUSALS

export interface OperationRefused {
  readonly kind: 'refused'
  readonly code: OperationRefusalCode
  readonly message: string
  readonly comparison?: Comparison
}

export interface OperationDone {
  readonly kind: 'done'
  readonly name: string
  /** The version that it was about. */
  readonly version: number
  readonly comparison?: Comparison
}

export type OperationOutcome = OperationDone | OperationRefused

export interface RebuildOptions {
  /** Of the time, how much filling may take while it is behind; default a half. */
  readonly share?: number | undefined
  readonly until?: Until | undefined
}

export interface SkipOptions {
  /** Default: the version that has stopped there. */
  readonly version?: number | undefined
  readonly partition: number
  readonly sequence: bigint
  readonly reason: string
  readonly by: string
}

export interface ProjectionOperations {
  /** All versions that are not dropped, of all projections. */
  list(): Promise<readonly VersionStatus[]>
  pause(name: string, version?: number): Promise<OperationOutcome>
  /** Lets one go on that is paused, or that a failure has stopped. */
  resume(name: string, version?: number): Promise<OperationOutcome>
  /** A new version serves at once and is filled from the beginning; the one before it is dropped. */
  reset(name: string): Promise<OperationOutcome>
  /** A new version is filled beside the one that serves. */
  rebuild(name: string, options?: RebuildOptions): Promise<OperationOutcome>
  /** @param at default: up to where both are */
  compare(name: string, version?: number, at?: Position): Promise<OperationOutcome>
  /**
   * The version that was built serves, once it is proven to hold the same; the one before is kept.
   * @param acceptDifferences why it may differ: then what differs is told, and recorded with the reason
   */
  promote(name: string, version?: number, acceptDifferences?: string): Promise<OperationOutcome>
  /** The version that served before serves again. */
  rollback(name: string): Promise<OperationOutcome>
  /** Removes a version that is not read, with its tables. */
  drop(name: string, version: number): Promise<OperationOutcome>
  /** Leaves out the one event at which a version has stopped. */
  skip(name: string, options: SkipOptions): Promise<OperationOutcome>
  /** Adds an SQL projection that the program does not bring. */
  add(projection: SqlProjection): Promise<OperationOutcome>
}

export interface OperationsOptions {
  readonly store: ViewStore
  /** Those that the program brings. */
  readonly projections: readonly Projection[]
  /** Where the log ends. */
  readonly head: () => Position
  readonly compare: (left: Version, right: Version, at: Position) => Promise<Comparison>
  /** @throws RangeError with what is wrong, fit for its author */
  readonly validate: (projection: SqlProjection) => void | Promise<void>
  /** Lets whoever fills the views in this process know. Others look by themselves. */
  readonly changed?: () => Promise<void>
  readonly clock: Clock
  /** How long a promotion waits for a version to come to where readers are, in ms. Default: 30,000. */
  readonly waitMsMax?: number
}

const SHARE = 0.5
const SHARE_MIN = 0.01
const WAIT_MS_MAX = 30_000
/** By then whoever fills a version that was just let go on has said that it goes on. */
const GOES_ON_MS = 2_000
const LOOK_MS = 100
const REASON_CHARACTERS_MAX = 500

/** A version that does not come to what it has to hold. */
interface Behind {
  readonly version: number
  /** Behind a sentence: why it never will by itself, and what to do; undefined: it moves. */
  readonly still: string | undefined
}

export function createOperations(options: OperationsOptions): ProjectionOperations {
  return new Operations(options)
}

class Operations implements ProjectionOperations {
  readonly #options: OperationsOptions

  constructor(options: OperationsOptions) {
    this.#options = options
  }

  async list(): Promise<readonly VersionStatus[]> {
    const { store } = this.#options
    const versions = await readVersions(store)
    const [checkpoints, faults, skips] = [
      await readCheckpoints(store),
      await readFaults(store),
      await readSkips(store),
    ]
    const head = this.#options.head()
    const nowNs = BigInt(Math.floor(this.#options.clock.nowMs())) * NS_PER_MS
    return versions
      .filter(({ role }) => role !== 'dropped')
      .map((one) => statusOf(one, checkpoints, faults, skips, head, nowNs))
  }

  pause(name: string, version?: number): Promise<OperationOutcome> {
    return this.#say(name, version, (one) => ({ ...one, isPaused: true }))
  }

  resume(name: string, version?: number): Promise<OperationOutcome> {
    return this.#say(name, version, (one) => ({ ...one, isPaused: false }))
  }

  async reset(name: string): Promise<OperationOutcome> {
    const versions = await readVersions(this.#options.store)
    const said = resetting(versions, [name], 'reset by an operator')
    if (said.length === 0) return refused('unknown_projection', name)
    return this.#write(said)
  }

  async rebuild(name: string, { share = SHARE, until }: RebuildOptions = {}): Promise<OperationOutcome> {
    if (!(share >= SHARE_MIN && share <= 1))
      return refused('invalid', name, `A share is at least ${SHARE_MIN} and at most 1, not ${share}.`)
    const versions = await readVersions(this.#options.store)
    const serving = servingOf(versions, name)
    if (serving === undefined) return refused('unknown_projection', name)
    const building = versions.find((one) => one.name === name && one.role === 'building')
    if (building !== undefined)
      return refused('rebuild_under_way', name, `Promote or drop version ${building.version} first.`)
    const brought = this.#options.projections.find((one) => one.name === name)
    const version: Version = {
      name,
      version: nextNumber(versions, name, serving.declared),
      declared: brought?.version ?? serving.declared,
      role: 'building',
      isPaused: false,
      share,
      until,
      definition: brought === undefined ? serving.definition : definitionOf(brought),
      reason: 'rebuilt by an operator',
      revision: 0n,
    }
    return this.#write([version])
  }

  async compare(name: string, version?: number, at?: Position): Promise<OperationOutcome> {
    const found = await this.#pair(name, version)
    if ('kind' in found) return found
    const both = await this.#heldByBoth(found)
    if (at !== undefined && !includesPosition(both, at))
      return refused(
        'not_there_yet',
        name,
        `Versions ${found.serving.version} and ${found.other.version} do not both hold that position.`,
      )
    const position = at ?? both
    const comparison = await this.#options.compare(found.serving, found.other, position)
    if (!comparison.equal) return { ...refused('not_equal', name), comparison }
    return { kind: 'done', name, version: found.other.version, comparison }
  }

  async promote(name: string, version?: number, acceptDifferences?: string): Promise<OperationOutcome> {
    const found = await this.#pair(name, version)
    if ('kind' in found) return found
    const { serving, other } = found
    if (other.until !== undefined) return refused('bounded', name)
    if (acceptDifferences !== undefined && !isReason(acceptDifferences)) return refused('no_reason', name)
    const behind = await this.#behind(serving, other)
    // What one that serves and has stopped lacks is accepted with all else.
    if (behind !== undefined && (behind.version === other.version || acceptDifferences === undefined)) {
      const { version, still } = behind
      const [where, what] =
        version === other.version
          ? [`Version ${version} is behind version ${serving.version}`, '']
          : [
              `Version ${version}, which serves, is behind version ${other.version}`,
              ': what it lacks cannot be compared',
            ]
      return refused(
        still === undefined ? 'not_there_yet' : 'stands_still',
        name,
        `${where}${still ?? what}.`,
      )
    }
    const comparison = await this.#options.compare(serving, other, await this.#heldByBoth(found))
    if (!comparison.equal && acceptDifferences === undefined)
      return { ...refused('not_equal', name), comparison }
    const reason = comparison.equal
      ? `equal to version ${serving.version}`
      : `differs from version ${serving.version}, accepted: ${acceptDifferences}`
    const outcome = await this.#write([
      { ...other, role: 'serving', share: 1, reason },
      { ...serving, role: 'kept', reason: `followed by version ${other.version}` },
    ])
    return outcome.kind === 'done' ? { ...outcome, comparison } : outcome
  }

  async rollback(name: string): Promise<OperationOutcome> {
    const versions = await readVersions(this.#options.store)
    const serving = servingOf(versions, name)
    if (serving === undefined) return refused('unknown_projection', name)
    const kept = versions.filter((one) => one.name === name && one.role === 'kept').at(-1)
    if (kept === undefined) return refused('nothing_kept', name)
    const reason = `rolled back from version ${serving.version}`
    return this.#write([
      { ...kept, role: 'serving', reason },
      { ...serving, role: 'kept', reason: `followed again by version ${kept.version}` },
    ])
  }

  async drop(name: string, version: number): Promise<OperationOutcome> {
    const versions = await readVersions(this.#options.store)
    const one = versions.find((other) => other.name === name && other.version === version && other.role !== 'dropped')
    if (one === undefined) return refused('unknown_version', name)
    const isBrought = this.#options.projections.some((other) => other.name === name)
    if (one.role === 'serving' && isBrought)
      return refused('serving', name, 'Promote another one first, or take the projection out of the configuration.')
    return this.#write([{ ...one, role: 'dropped', reason: 'dropped by an operator' }])
  } // prettier-ignore

  async skip(
    name: string,
    { version, partition, sequence, reason, by }: SkipOptions,
  ): Promise<OperationOutcome> {
    if (!isReason(reason)) return refused('no_reason', name)
    const { store } = this.#options
    const fault = (await readFaults(store)).find(
      (one) =>
        one.name === name &&
        one.partition === partition &&
        one.sequence === sequence &&
        (version === undefined || one.version === version),
    )
    if (fault === undefined) return refused('no_fault', name)
    await writeSkip(store, {
      name,
      version: fault.version,
      partition,
      sequence,
      reason,
      by,
      atMs: this.#options.clock.nowMs(),
    })
    return this.resume(name, fault.version)
  }

  async add(projection: SqlProjection): Promise<OperationOutcome> {
    const { name, version: declared } = projection
    const versions = await readVersions(this.#options.store)
    if (servingOf(versions, name) !== undefined) return refused('name_taken', name)
    try {
      await this.#options.validate(projection)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      return refused('invalid', name, error.message)
    }
    return this.#write([
      {
        name,
        version: nextNumber(versions, name, declared),
        declared,
        role: 'serving',
        isPaused: false,
        share: SHARE,
        until: undefined,
        definition: definitionOf(projection),
        reason: 'added by an operator',
        revision: 0n,
      },
    ])
  }

  /** Says something new of one version: by default of the one that serves. */
  async #say(
    name: string,
    version: number | undefined,
    change: (one: Version) => Version,
  ): Promise<OperationOutcome> {
    const versions = await readVersions(this.#options.store)
    const own = versions.filter((one) => one.name === name && one.role !== 'dropped')
    if (own.length === 0) return refused('unknown_projection', name)
    const one = version === undefined ? servingOf(own, name) : own.find((other) => other.version === version)
    return one === undefined ? refused('unknown_version', name) : this.#write([change(one)])
  }

  /** The version that serves, and the other: the one that is named, or that was built last. */
  async #pair(
    name: string,
    version: number | undefined,
  ): Promise<{ readonly serving: Version; readonly other: Version } | OperationRefused> {
    const versions = await readVersions(this.#options.store)
    const serving = servingOf(versions, name)
    if (serving === undefined) return refused('unknown_projection', name)
    const others = versions.filter(
      (one) => one.name === name && (one.role === 'building' || one.role === 'kept'),
    )
    const other =
      version === undefined
        ? others.filter(({ role }) => role === 'building').at(-1)
        : others.find((one) => one.version === version)
    if (other === undefined) return refused(version === undefined ? 'not_built' : 'unknown_version', name)
    return { serving, other }
  }

  async #heldByBoth({ serving, other }: { serving: Version; other: Version }): Promise<Position> {
    const checkpoints = await readCheckpoints(this.#options.store)
    const [left, right] = [heldBy(checkpoints, serving), heldBy(checkpoints, other)]
    return new Map(
      [...left].map(([partition, sequence]) => {
        const reached = right.get(partition) ?? 0n
        return [partition, reached < sequence ? reached : sequence]
      }),
    )
  }

  /** Waits until each holds what the other one holds now. Returns the one that does not come to it, at once if it stands still. */
  async #behind(serving: Version, other: Version): Promise<Behind | undefined> {
    const { store, clock, waitMsMax = WAIT_MS_MAX } = this.#options
    const goals = await readCheckpoints(store)
    const fromMs = clock.monotonicMs()
    for (;;) {
      const now = await readCheckpoints(store)
      const isThere = (one: Version, goal: Version): boolean =>
        includesPosition(heldBy(now, one), heldBy(goals, goal))
      const behind = !isThere(other, serving) ? other : !isThere(serving, other) ? serving : undefined
      if (behind === undefined) return undefined
      const { version } = behind
      const waitedMs = clock.monotonicMs() - fromMs
      const still = await this.#stillness(behind, waitedMs >= GOES_ON_MS)
      if (still !== undefined || waitedMs >= waitMsMax) return { version, still }
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
    }
  }

  /** Why a version goes no further until somebody says something of it; undefined if it does. */
  async #stillness(one: Version, countsFaults: boolean): Promise<string | undefined> {
    const { store } = this.#options
    const now = (await readVersions(store)).find((other) => versionKey(other) === versionKey(one))
    if (now?.isPaused === true) return ', and is paused: resume it first'
    if (!countsFaults) return undefined
    const fault = (await readFaults(store)).find((other) => versionKey(other) === versionKey(one))
    if (fault === undefined) return undefined
    const { partition, sequence, cause } = fault
    const at = sequence === 0n ? `in partition ${partition}` : `at ${partition}:${sequence}`
    return `, and has stopped ${at} (${cause.replace(/\.$/, '')}): skip the event, or mend the view and rebuild it`
  }

  async #write(versions: readonly Version[]): Promise<OperationOutcome> {
    const { store, clock, changed } = this.#options
    const [{ name, version }] = versions as [Version]
    if (!(await writeVersions(store, versions, clock.nowMs()))) return refused('changed', name)
    await changed?.()
    return { kind: 'done', name, version }
  }
}

function isReason(text: string): boolean {
  return text.trim() !== '' && text.length <= REASON_CHARACTERS_MAX
}

function refused(code: OperationRefusalCode, name: string, more = ''): OperationRefused {
  return { kind: 'refused', code, message: `${name}: ${OPERATION_REFUSALS[code]}${more === '' ? '' : ` ${more}`}` }
} // prettier-ignore

/**
 * The operator of one seed: rebuilds, promotes, rolls back, drops, pauses and resets versions through the real operations,
 * spoils rows of a version that does not serve, and leaves out events that a view cannot take. One thing after the other, as
 * a person does it; when trouble is over, whatever still stands in the way of rest is put right.
 */
import { OutageError } from '../../../projectors/clickhouse/view-store.ts'
import type { Comparison } from '../../../projectors/proof/compare.ts'
import type { ProjectionSet } from '../../../projectors/projection.ts'
import {
  createOperations,
  type OperationOutcome,
  type ProjectionOperations,
} from '../../../projectors/registry/operations.ts'
import type { Version } from '../../../projectors/registry/versions.ts'
import type { Position } from '../../../schemas/positions.ts'
import type { World } from '../world.ts'
import { keyOf, type ViewsCheck } from './check.ts'
import type { ViewsProcess } from './process.ts'
import { TABLES_OF } from './rows.ts'
import type { StoredVersion } from './store/registry-view.ts'
import type { SimulatedStore } from './store/store.ts'
import type { TableRow } from './store/tables.ts'

export interface OperatorOptions {
  readonly world: World
  readonly store: SimulatedStore
  readonly check: ViewsCheck
  readonly projections: ProjectionSet
  readonly process: () => ViewsProcess | undefined
  /** Where the log ends. */
  readonly head: () => bigint
  /** False: only leaves out events that cannot be taken. */
  readonly acts: boolean
}

const MS = 1_000_000n
/** Longer than any request may be under way: what was asked for before an event is left out is done by then. */
const SKIP_AFTER_NS = 60_000n * MS

export class Operator {
  readonly #options: OperatorOptions
  readonly #operations: ProjectionOperations
  readonly #faultsSinceNs = new Map<string, bigint>()
  #isBusy = false
  #isTidying = false

  constructor(options: OperatorOptions) {
    const { world, store, projections } = options
    this.#options = options
    this.#operations = createOperations({
      store: store.connect(),
      projections: projections.all,
      head: () => new Map([[0, options.head()]]),
      compare: (left, right, at) => this.#compare(left, right, at),
      validate: () => undefined,
      changed: async () => {
        // Not waited for: the process may die of it. What it does not hear of, it finds when it looks by itself.
        if (world.random.chance(0.7))
          options
            .process()
            ?.running?.refresh()
            .catch(() => undefined)
      },
      clock: {
        monotonicMs: () => Number(world.nowNs()) / 1e6,
        nowMs: () => Number(world.nowNs()) / 1e6,
        after: (delayMs, task) => {
          let isOff = false
          world.schedule(BigInt(Math.ceil(delayMs * 1e6)), 'operator waits', () => {
            if (!isOff) task()
          })
          return () => {
            isOff = true
          }
        },
      },
      waitMsMax: 5_000,
    })
    this.#later()
  }

  /** From now on only what rest needs is done. */
  tidy(): void {
    this.#isTidying = true
  }

  #later(): void {
    const { world } = this.#options
    const ms = this.#isTidying ? 500 : world.random.between(20, 1_500)
    world.schedule(BigInt(ms) * MS, 'operator', () => {
      if (!this.#isBusy) this.#begin(this.#isTidying ? this.#tidies() : this.#draws())
      this.#later()
    })
  }

  #begin(act: (() => Promise<void>) | undefined): void {
    if (act === undefined) return
    this.#isBusy = true
    act()
      .catch((error: unknown) => {
        // An outage: whether it was said is seen the next time. Anything else is not in the contract of an operation.
        if (!(error instanceof OutageError))
          this.#options.store.breaks(String((error as Error).stack ?? error))
      })
      .finally(() => {
        this.#isBusy = false
      })
  }

  #draws(): (() => Promise<void>) | undefined {
    const { random } = this.#options.world
    const versions = this.#options.check.registry.versions().filter(({ role }) => role !== 'dropped')
    if (versions.length === 0) return undefined
    const version = random.pick(versions)
    const { name } = version
    const own = versions.filter((one) => one.name === name)
    const building = own.find(({ role }) => role === 'building')
    const kept = own.find(({ role }) => role === 'kept')
    const skip = this.#skips()
    if (skip !== undefined || !this.#options.acts) return skip
    switch (random.below(8)) {
      case 0:
        return () => this.#pause(version)
      case 1:
      case 2:
      case 3:
        if (building === undefined) return kept === undefined || random.chance(0.3) ? () => this.#rebuild(name) : () => this.#drop(kept)
        if (building.isBounded) return () => this.#drop(building)
        return () => this.#promote(building)
      case 4:
        return kept === undefined ? undefined : () => this.#rollback(name)
      case 5:
        return building === undefined ? undefined : () => this.#spoil(building)
      case 6:
        return building !== undefined && random.chance(0.3) ? () => this.#drop(building) : undefined
      default:
        return undefined
    }
  } // prettier-ignore

  #tidies(): (() => Promise<void>) | undefined {
    const { registry } = this.#options.check
    for (const version of registry.versions()) {
      if (version.role === 'dropped') continue
      if (version.role !== 'serving' && this.#options.check.isSpoiled(version))
        return () => this.#drop(version)
      if (version.isPaused) return () => this.#pause(version)
    }
    return this.#skips()
  }

  /** Leaves out an event at which a version has stood for long enough. */
  #skips(): (() => Promise<void>) | undefined {
    const { world, process, check } = this.#options
    for (const version of check.registry.versions()) {
      const status = process()?.running?.versionStatus(version).get(0)
      const at = status?.state === 'stopped' ? /^stopped at 0:(\d+): /.exec(status.failure ?? '') : null
      if (at === null) this.#faultsSinceNs.delete(keyOf(version))
      else if (!this.#faultsSinceNs.has(keyOf(version))) this.#faultsSinceNs.set(keyOf(version), world.nowNs())
      else if (world.nowNs() - this.#faultsSinceNs.get(keyOf(version))! > SKIP_AFTER_NS) return () => this.#skip(version, BigInt(at[1]!)) // prettier-ignore
    }
    return undefined
  }

  async #skip(version: StoredVersion, sequence: bigint): Promise<void> {
    const { name, version: number } = version
    const outcome = await this.#say(`leaves ${sequence} out of`, version, () =>
      this.#operations.skip(name, { version: number, partition: 0, sequence, reason: 'it cannot be taken', by: 'operator' }),
    ) // prettier-ignore
    if (outcome.kind === 'done') this.#options.world.cover('views: event skipped')
  }

  async #pause(version: StoredVersion): Promise<void> {
    const { name, version: number, isPaused } = version
    await this.#say(isPaused ? 'resumes' : 'pauses', version, () =>
      isPaused ? this.#operations.resume(name, number) : this.#operations.pause(name, number),
    )
  }

  async #rebuild(name: string): Promise<void> {
    const { world, head } = this.#options
    const { random } = world
    const isBounded = random.chance(0.15)
    const until = isBounded ? { position: new Map([[0, 1n + random.bigBelow(head() + 1n)]]) } : undefined
    const share = random.pick([0.05, 0.5, 1])
    world.trace(`operator rebuilds ${name}`)
    const outcome = await this.#operations.rebuild(name, { share, until })
    if (outcome.kind === 'done') world.cover(isBounded ? 'views: bounded rebuild' : 'views: rebuild')
  }

  async #promote(version: StoredVersion): Promise<void> {
    const { world, check, store } = this.#options
    const { name, version: number } = version
    const isSpoiled = check.isSpoiled(version)
    const outcome = await this.#say('promotes', version, () => this.#operations.promote(name, number))
    if (outcome.kind === 'done') world.cover('views: promoted')
    else if (outcome.code === 'not_equal') {
      if (!isSpoiled)
        throw store.breaks(`${keyOf(version)} differs from what serves, and nobody has changed it`)
      world.cover('views: promotion of other rows refused')
      await this.#drop(version)
    }
  }

  async #rollback(name: string): Promise<void> {
    const { world } = this.#options
    world.trace(`operator rolls ${name} back`)
    const outcome = await this.#operations.rollback(name)
    if (outcome.kind === 'done') world.cover('views: rolled back')
  }

  async #drop(version: StoredVersion): Promise<void> {
    const outcome = await this.#say('drops', version, () =>
      this.#operations.drop(version.name, version.version),
    )
    if (outcome.kind === 'done') this.#options.world.cover('views: version dropped')
  }

  async #spoil({ name, version }: StoredVersion): Promise<void> {
    const { world, store, check } = this.#options
    const [building, serving] = [check.registry.find(name, version)!, check.registry.serving(name)]
    const [left, right] = [building, serving].map((one) => BigInt(one?.checkpoint?.sequence ?? 0))
    const table = store.table(`${world.random.pick(TABLES_OF.get(name)!)}_v${version}`)
    if (table?.spoil(world.random, left! < right! ? left! : right!) !== true) return
    world.fault('views row changed by hand')
    check.spoiled(building)
    // Mostly before anything else happens to it: what is left for later is dropped or reset first.
    if (world.random.chance(0.7)) await this.#promote(building)
  }

  #say(
    what: string,
    version: StoredVersion,
    act: () => Promise<OperationOutcome>,
  ): Promise<OperationOutcome> {
    this.#options.world.trace(`operator ${what} ${keyOf(version)}`)
    return act()
  }

  /** What both hold of events up to the position, row by row. */
  async #compare(left: Version, right: Version, at: Position): Promise<Comparison> {
    const upTo = at.get(0) ?? 0n
    const equal = (TABLES_OF.get(left.name) ?? []).every((table) => {
      const [ours, theirs] = [left, right].map(({ version }) => {
        const stored = this.#options.store.table(`${table}_v${version}`)
        return new Map((stored?.rows() ?? []).map((row) => [row.key, row]))
      }) as [Map<string, TableRow>, Map<string, TableRow>]
      return [...ours.keys(), ...theirs.keys()].every((key) => {
        const [one, other] = [ours.get(key), theirs.get(key)]
        // One that has moved on cannot be compared at the position.
        if ([one, other].some((row) => row !== undefined && row.sequence > upTo)) return true
        return one?.text === other?.text
      })
    })
    const { version } = left
    return { projection: left.name, left: version, right: right.version, at, equal, tables: [] }
  }
}

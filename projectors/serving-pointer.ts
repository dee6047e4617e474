/**
 * Which version readers read while versions change. They come from a promoted version back into no past: a version takes the
 * place of another only when it holds everything that readers were told of so far. Until then they go on with the old one.
 *
 * Pure: whoever knows the versions says what he knows, again and again, and asks what serves.
 */
import { includesPosition, type Position } from '../schemas/positions.ts'
import type { Serving } from './serving.ts'

/** What is known of one version that is there: one that is dropped is not among them. */
export interface KnownVersion {
  readonly projection: string
  readonly version: number
  /** True for the one that is to be read. */
  readonly isServing: boolean
  /** Up to where it holds everything. */
  readonly position: Position
  /** Logical table name → name in the store. */
  readonly tables: Readonly<Record<string, string>>
}

/** How long readers are kept where they are, in ms, so that the version which is to serve reaches them. */
const HOLD_MS = 2_000
/** Kept there again after so long, in ms, as long as it does not: else a load under which both move might never let it. */
const HOLD_AGAIN_MS = 12_000

/** Of one projection. */
export class ServingPointer {
  #read: KnownVersion | undefined
  /** Where readers are: up to here they may have seen everything. */
  #seen: Position = new Map()
  /** Which version is waited for, and since when. */
  #awaited: { readonly version: number; readonly sinceMs: number } | undefined

  /** The version that readers read; undefined: none serves yet. */
  get read(): KnownVersion | undefined {
    return this.#read
  }

  /** Up to where readers may read. It goes back only when the version that they read is gone. */
  get position(): Position {
    return this.#seen
  }

  /**
   * @param versions those of this projection that are there
   * @param nowMs by a clock that never goes back
   */
  take(versions: readonly KnownVersion[], nowMs: number): void {
    const wanted = versions.find(({ isServing }) => isServing)
    const current = versions.find(({ version }) => version === this.#read?.version)
    const next = wanted ?? current
    if (current === undefined) {
      // Nothing of it can be read any more, so there is nothing to go on with.
      this.#begin(next)
    } else if (next === undefined || next.version === current.version) {
      this.#awaited = undefined
      this.#goOn(current)
    } else if (includesPosition(next.position, this.#seen)) {
      this.#begin(next)
    } else {
      if (this.#awaited?.version !== next.version) this.#awaited = { version: next.version, sinceMs: nowMs }
      const isHeld =
        (nowMs - this.#awaited.sinceMs) % HOLD_AGAIN_MS < HOLD_MS &&
        includesPosition(current.position, this.#seen)
      if (isHeld) this.#read = current
      else this.#goOn(current)
    }
  }

  #begin(version: KnownVersion | undefined): void {
    this.#awaited = undefined
    this.#read = version
    this.#seen = version?.position ?? new Map()
  }

  /** The version's own position, as it is: it goes back only if rows were lost, and that is not to be hidden. */
  #goOn(version: KnownVersion): void {
    this.#read = version
    this.#seen = version.position
  }
}

/** All projections of a deployment, as readers see them. */
export class PointedServing implements Serving {
  readonly #pointers = new Map<string, ServingPointer>()
  #tables: Readonly<Record<string, string>> = {}

  /** Takes what is known now: all versions that are there, of all projections. */
  take(versions: readonly KnownVersion[], nowMs: number): void {
    const byProjection = new Map<string, KnownVersion[]>()
    for (const one of versions) {
      const own = byProjection.get(one.projection)
      if (own === undefined) byProjection.set(one.projection, [one])
      else own.push(one)
    }
    for (const name of byProjection.keys())
      if (!this.#pointers.has(name)) this.#pointers.set(name, new ServingPointer())
    for (const [name, pointer] of this.#pointers) pointer.take(byProjection.get(name) ?? [], nowMs)
    this.#tables = Object.assign({}, ...[...this.#pointers.values()].map(({ read }) => read?.tables ?? {})) as Record<string, string>
  } // prettier-ignore

  versionOf(projection: string): number | undefined {
    return this.#pointers.get(projection)?.read?.version
  }

  tables(): Readonly<Record<string, string>> {
    return this.#tables
  }

  positionOf(projection: string): Position {
    return this.#pointers.get(projection)?.position ?? new Map()
  }
}

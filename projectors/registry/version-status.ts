/** How a version is, from what the store says of it: its role, how far it is, what stopped it, what was left out of it. */
import type { Position } from '../../schemas/positions.ts'
import type { Projection } from '../projection.ts'
import { heldBy, versionKey, type Checkpoints } from '../runtime/checkpoints.ts'
import type { Checkpoint } from '../runtime/lanes/chain.ts'
import { hasEnded } from '../runtime/lanes/cut.ts'
import type { Fault } from './faults.ts'
import type { Skip } from './skips.ts'
import type { Until, Version, VersionRole } from './versions.ts'

/** `building` and what else a version may be doing. */
export type VersionState = 'catching-up' | 'live' | 'paused' | 'stopped' | 'complete'

export interface VersionStatus {
  readonly name: string
  readonly version: number
  readonly declared: number
  readonly kind: Projection['kind']
  readonly role: VersionRole
  readonly state: VersionState
  readonly position: Position
  readonly head: Position
  readonly lagEvents: bigint
  /** Of what it has to hold, how much it holds: 0 to 1. */
  readonly progress: number
  /** recorded_at of its newest event, nanoseconds since 1970; 0: none. */
  readonly recordedAtNs: bigint
  readonly share: number
  readonly until: Until | undefined
  /** What stopped it, by partition. */
  readonly faults: readonly Fault[]
  readonly skips: readonly Skip[]
  /** Why it has its role. */
  readonly reason: string
}

/** @param nowNs since 1970: what is recorded from now on is recorded later */
export function statusOf(
  one: Version,
  checkpoints: Checkpoints,
  faults: readonly Fault[],
  skips: readonly Skip[],
  head: Position,
  nowNs: bigint,
): VersionStatus {
  const { name, version, declared, role, share, until, reason } = one
  const key = versionKey(one)
  const position = heldBy(checkpoints, one)
  const own = faults.filter((fault) => versionKey(fault) === key)
  const goal = until !== undefined && 'position' in until ? until.position : head
  const [held, all] = [...goal].reduce(
    ([some, total], [partition, sequence]) => {
      const reached = position.get(partition) ?? 0n
      return [some + (reached < sequence ? reached : sequence), total + sequence] as const
    },
    [0n, 0n] as readonly [bigint, bigint],
  )
  const lagEvents = all - held
  const isOver =
    until !== undefined &&
    ('position' in until ? lagEvents === 0n : isPast(until.timeNs, checkpoints.get(key), head, nowNs))
  const moving = isOver ? 'complete' : lagEvents > 0n ? 'catching-up' : 'live'
  const state = own.length > 0 ? 'stopped' : one.isPaused ? 'paused' : moving
  return {
    name,
    version,
    declared,
    kind: one.definition.kind,
    role,
    state,
    position,
    head,
    lagEvents: isOver ? 0n : lagEvents,
    progress: all === 0n || isOver ? 1 : Number((held * 10_000n) / all) / 10_000,
    recordedAtNs: [...(checkpoints.get(key)?.values() ?? [])].reduce(
      (latest, { recordedAtNs }) => (recordedAtNs > latest ? recordedAtNs : latest),
      0n,
    ),
    share,
    until,
    faults: own,
    skips: skips.filter((skip) => versionKey(skip) === key),
    reason,
  }
}

/** True if a version holds all that was recorded by a time: in each partition it has ended, or nothing earlier can come. */
function isPast(
  timeNs: bigint,
  held: ReadonlyMap<number, Checkpoint> | undefined,
  head: Position,
  nowNs: bigint,
): boolean {
  return [...head].every(([partition, sequence]) => {
    const own = held?.get(partition)
    if (own !== undefined && hasEnded(own)) return true
    return nowNs > timeNs && (own?.sequence ?? 0n) >= sequence
  })
}

/** Past moments that reads name, and what the views have to include before the answer is final. */
import { earlier, type Moment } from '../../projectors/views/balances/balances.ts'
import type { Position } from '../../schemas/positions.ts'
import { badInput } from '../errors.ts'
import { sequenceOf } from '../positions/deployment-tokens.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { RequestContext, Services } from '../services.ts'

/** The input `AsOf`: exactly one of its fields is set. */
export interface AsOf {
  readonly position?: Position | null | undefined
  readonly time?: bigint | null | undefined
  readonly effectiveTime?: bigint | null | undefined
}

export function momentOf(at: AsOf | null | undefined): Moment | undefined {
  if (at?.position) return { kind: 'position', position: at.position }
  if (typeof at?.time === 'bigint') return { kind: 'recorded', atNs: at.time }
  if (typeof at?.effectiveTime === 'bigint') return { kind: 'effective', atNs: at.effectiveTime }
  return undefined
}

/**
 * The position that the views have to include before the answer for a moment is final.
 * @throws Fault BAD_USER_INPUT for a recorded time in the future
 */
export function neededFor(
  moment: Moment | undefined,
  services: Services,
  field: string,
): Position | undefined {
  if (moment?.kind === 'position') return moment.position
  if (moment?.kind !== 'recorded') return undefined
  if (moment.atNs > services.commands.clock()) throw badInput(field, 'This time is still to come.')
  // A time is settled up to what all views hold in every partition. Behind that, everything that the log has now
  // counts.
  const point = services.views.points.current()
  return moment.atNs <= point.settledNs ? undefined : services.feed.position()
}

/**
 * Checks that a position, used as a moment, names all partitions that are read. In a partition that it does not name,
 * it would mean a past without any events.
 * @param partitions numbers of the partitions that are read
 * @throws Fault BAD_USER_INPUT
 */
export function checkMoment(moment: Moment | undefined, partitions: Iterable<number>): void {
  if (moment?.kind !== 'position') return
  for (const partition of partitions) sequenceOf(moment.position, partition, 'at.position')
}

/**
 * The position of an answer for a moment: the moment if it is a position, else the read point. Never beyond the read
 * point.
 */
export function positionOf(point: ReadPoint, moment: Moment | undefined): Position {
  return moment?.kind === 'position' ? earlier(point.upTo, moment.position) : point.upTo
}

/**
 * The read point for a moment. Events recorded up to a past moment do not change, so views that hold them may answer,
 * whatever else the views lack.
 */
export function pointFor(
  { point }: RequestContext,
  moment: Moment | undefined,
  needed: Position | undefined,
): Promise<ReadPoint> {
  const isPinned = moment?.kind === 'position' || moment?.kind === 'recorded'
  return isPinned ? point.pinned(needed ?? new Map()) : point.at(needed)
}

/** The later of two positions, partition by partition. */
export function joined(left: Position | undefined, right: Position | undefined): Position | undefined {
  if (left === undefined || right === undefined) return left ?? right
  const wide = new Map(left)
  for (const [partition, sequence] of right)
    if (sequence > (wide.get(partition) ?? 0n)) wide.set(partition, sequence)
  return wide
}

/** Moments that have gone by, as reads name them: what the views have to include before an answer is one for good. */
import { earlier, type Moment } from '../../projectors/views/balances/balances.ts'
import type { Position } from '../../schemas/positions.ts'
import { badInput } from '../errors.ts'
import { sequenceOf } from '../positions/deployment-tokens.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { RequestContext, Services } from '../services.ts'

/** `AsOf` as it arrives: exactly one of the three. */
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
 * What the views have to include before a moment can be answered for good.
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
  // Up to what all views hold in every partition a time is settled; behind it, what the log has by now decides.
  const point = services.views.points.current()
  return moment.atNs <= point.settledNs ? undefined : services.feed.position()
}

/**
 * Checks that a position as a moment says where the partitions stood that it is asked of: of one that it does not name,
 * it would tell of a past in which there was nothing.
 * @param partitions numbers of those that are asked of
 * @throws Fault BAD_USER_INPUT
 */
export function checkMoment(moment: Moment | undefined, partitions: Iterable<number>): void {
  if (moment?.kind !== 'position') return
  for (const partition of partitions) sequenceOf(moment.position, partition, 'at.position')
}

/** The position of an answer as of a moment: the moment itself where it is one, else what was read. */
export function positionOf(point: ReadPoint, moment: Moment | undefined): Position {
  return moment?.kind === 'position' ? earlier(point.upTo, moment.position) : point.upTo
}

/** What is recorded up to a moment does not change any more: views that hold it may answer, whatever else they lack. */
export function pointFor(
  { point }: RequestContext,
  moment: Moment | undefined,
  needed: Position | undefined,
): Promise<ReadPoint> {
  const isPinned = moment?.kind === 'position' || moment?.kind === 'recorded'
  return isPinned ? point.pinned(needed ?? new Map()) : point.at(needed)
}

/** The wider of two positions, partition by partition. */
export function joined(left: Position | undefined, right: Position | undefined): Position | undefined {
  if (left === undefined || right === undefined) return left ?? right
  const wide = new Map(left)
  for (const [partition, sequence] of right)
    if (sequence > (wide.get(partition) ?? 0n)) wide.set(partition, sequence)
  return wide
}

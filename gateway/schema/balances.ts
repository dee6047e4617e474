/** Where balances come from: memory, the view now, or the view as of a moment that has gone by. */
import type { Moment } from '../../projectors/views/balances/balances.ts'
import { earlier } from '../../projectors/views/balances/balances.ts'
import type { Totals } from '../../schemas/events.ts'
import { includesPosition, type Position } from '../../schemas/positions.ts'
import { badInput } from '../errors.ts'
import { sequenceOf } from '../positions/deployment-tokens.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { RequestContext, Services } from '../services.ts'
import type { AccountIdentity } from '../read/views.ts'
import type { BalanceModel } from './money.ts'

/** `AsOf` as it arrives: exactly one of the three. */
export interface AsOf {
  readonly position?: Position | null | undefined
  readonly time?: bigint | null | undefined
  readonly effectiveTime?: bigint | null | undefined
}

const NO_TOTALS: Totals = { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n }

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

/**
 * An account's balance at the point, or as of a moment before it. An account not yet open by then has nothing.
 * @throws Fault BAD_USER_INPUT for a position that does not name the account's partition
 */
export async function readBalance(
  services: Services,
  identity: AccountIdentity,
  point: ReadPoint,
  moment: Moment | undefined,
): Promise<BalanceModel> {
  checkMoment(moment, [identity.partition])
  const row =
    moment === undefined
      ? await services.views.balance(point, identity)
      : await services.views.balanceAsOf(point, identity, moment)
  return {
    identity,
    totals: row ?? NO_TOTALS,
    version: row?.version ?? 0n,
    position: positionOf(point, moment),
    recordedAtNs: row?.recordedAtNs,
    isLive: moment === undefined,
  }
}

/**
 * A balance from memory, if the account was asked for lately and nothing else of the request is read from the views.
 * Its position is the feed's, so `after` is nearly always included already.
 */
export function readHotBalance(
  { services }: RequestContext,
  accountId: string,
  after: Position | null | undefined,
): BalanceModel | undefined {
  const identity = services.views.rememberedIdentity(accountId)
  if (identity === undefined || services.feed.failure(identity.partition) !== undefined) return undefined
  const hot = services.hot.read(identity, services.feed)
  if (hot === undefined || (after && !includesPosition(hot.position, after))) return undefined
  const { totals, position } = hot
  return {
    identity,
    totals,
    version: totals.version,
    position,
    recordedAtNs: totals.recordedAtNs,
    isLive: false,
  }
}

/** Transfers as the schema gives them: made of the events under an id, wherever those stand. */
import type { PublicEvent, PublicEventSide } from '../../../projectors/views/audit/events.ts'
import { parseCrossing } from '../../../schemas/crossing.ts'
import { formatId } from '../../../schemas/ids.ts'
import type { Position } from '../../../schemas/positions.ts'
import type { RefusalCode } from '../../../schemas/refusals.ts'
import {
  lifeOf,
  newestOf,
  phaseOf,
  positionOfEvent,
  timelineOf,
  type Life,
  type TransferPhase,
} from '../../outcomes/crossings/life.ts'
import { positionOfOutcome, type Outcome } from '../../outcomes/outcomes.ts'
import { positionAt, type PartitionSequence } from '../../positions/tokens.ts'
import type { ReadPoint } from '../../read/read-points.ts'
import type { Services } from '../../services.ts'
import {
  crossingKindOf,
  stateAfter,
  stateOf,
  transferKindOf,
  type TransferKind,
  type TransferState,
} from '../../live/transfer-state.ts'
import type { BalanceModel } from '../money.ts'
import type { NodeModel } from '../node.ts'

/** A transfer, or what ended a hold. */
export interface TransferModel extends NodeModel {
  readonly type: 'Transfer'
  /** Its outcome; of a transfer that is under way, the newest event that led to a phase. */
  readonly event: PublicEvent
  /** All that is under its id. Undefined: not read yet. */
  readonly life: Life | undefined
  readonly related: readonly PublicEvent[]
  /** Undefined: what is known of its events does not say it. */
  readonly kind: TransferKind | undefined
  readonly state: TransferState
  /** Of a transfer across partitions only. */
  readonly phase: TransferPhase | undefined
}

/** The transfer of these events; undefined if there are none, or if they are about an account. */
export function transferModel(
  events: readonly PublicEvent[],
  related: readonly PublicEvent[],
): TransferModel | undefined {
  const life = lifeOf(events)
  const kind = life === undefined ? undefined : transferKindOf(life.first)
  if (life === undefined || kind === undefined) return undefined
  const event = life.end ?? newestOf(life)
  const state = stateOf(life, related)
  return {
    type: 'Transfer',
    nodeId: event.transferId,
    event,
    life,
    related,
    kind,
    state,
    phase: phaseOf(event),
  }
}

/** The transfer across partitions of which an event tells. The rest of its events are read when they are asked for. */
export function crossingModel(event: PublicEvent): TransferModel {
  return {
    type: 'Transfer',
    nodeId: event.transferId,
    event,
    life: undefined,
    related: [],
    kind: crossingKindOf(event),
    state: stateAfter(event.transferId, event) ?? 'PENDING',
    phase: phaseOf(event),
  }
}

export async function kindOf(services: Services, model: TransferModel): Promise<TransferKind> {
  return model.kind ?? transferKindOf((await wholeLife(services, model)).first) ?? 'TRANSFER'
}

/** All events of a transfer, read from the views if they are not known. */
async function wholeLife(services: Services, { event, life }: TransferModel): Promise<Life> {
  return life ?? readLife(services, event.transferId, positionOfEvent(event, services.submitter.partitions))
}

async function readLife(services: Services, id: string, at: Position): Promise<Life> {
  const point = await services.views.points.at(at)
  const life = lifeOf(await services.views.events(point, id))
  if (life === undefined) throw new Error(`the views hold no beginning of the transfer ${id}`)
  return life
}

/** The events that made it what it is, of both sides, in the order of cause and effect. */
export async function eventsOf(services: Services, model: TransferModel): Promise<readonly PublicEvent[]> {
  return [...timelineOf(await wholeLife(services, model)), ...model.related]
}

export function sequenceOf({ partition, sequence }: PublicEvent): PartitionSequence {
  return { partition, sequence }
}

export type SideName = 'debit' | 'credit'

/**
 * The account id of one side of an event: found by its number, or as a refusal states it. Undefined: the event has none
 * on this side.
 */
export function accountIdOf(
  services: Services,
  event: PublicEvent,
  side: SideName,
): Promise<string> | string | undefined {
  const { account } = event[side]
  if (account !== 0)
    return services.views.accountIdOf({ partition: event.partition, account }, event.sequence)
  const crossing = parseCrossing(event.namedAccounts)
  if (crossing !== undefined) return formatId(crossing[side])
  const named = event.namedAccounts.split(',')[side === 'debit' ? 0 : 1]
  return named === undefined || named === '' ? undefined : named
}

/** As accountIdOf, of the transfer: the sides of its events at one partition may be an account for money in transit. */
export function partyOf(
  services: Services,
  event: PublicEvent,
  side: SideName,
): Promise<string> | string | undefined {
  const crossing = parseCrossing(event.namedAccounts)
  return crossing === undefined ? accountIdOf(services, event, side) : formatId(crossing[side])
}

/** The balance that an event states for one side. Undefined: there is no such account. */
export function balanceOfSide(
  services: Services,
  event: PublicEvent,
  side: PublicEventSide,
): BalanceModel | undefined {
  if (side.account === 0) return undefined
  const key = { partition: event.partition, account: side.account }
  return {
    identity: () => services.views.identityOf(key, event.sequence),
    totals: side,
    version: side.version,
    position: positionAt(sequenceOf(event)),
    recordedAtNs: event.recordedAtNs,
    isLive: false,
  }
}

/** The balance that a transfer has left on one side, or that was seen there as it was refused. */
export async function balanceOf(
  services: Services,
  model: TransferModel,
  side: SideName,
): Promise<BalanceModel | undefined> {
  if (parseCrossing(model.event.namedAccounts) === undefined)
    return balanceOfSide(services, model.event, model.event[side])
  return balanceAcross(services, await wholeLife(services, model), side)
}

/** As balanceOf, of a command that was refused. */
export async function balanceSeen(
  services: Services,
  outcome: Outcome,
  side: SideName,
): Promise<BalanceModel | undefined> {
  const event = outcome.event()
  if (event === undefined) return undefined
  if (parseCrossing(event.namedAccounts) === undefined) return balanceOfSide(services, event, event[side])
  return balanceAcross(services, await readLife(services, event.transferId, positionOfOutcome(outcome)), side)
}

/** Each side of a transfer across partitions is told by the events of its own partition. */
function balanceAcross(services: Services, life: Life, side: SideName): BalanceModel | undefined {
  const told = (side === 'debit' ? life.own : life.elsewhere).findLast((event) => event[side].account !== 0)
  return told === undefined ? undefined : balanceOfSide(services, told, told[side])
}

export async function readTransferAt(
  { views }: Services,
  id: string,
  point: ReadPoint,
): Promise<TransferModel | undefined> {
  const [events, related] = await Promise.all([views.events(point, id), views.related(point, id)])
  return transferModel(events, related)
}

/** A transfer as of the read point, or of a later one that includes the given position. */
export async function readTransfer(
  services: Services,
  id: string,
  at: Position,
): Promise<TransferModel | undefined> {
  return readTransferAt(services, id, await services.views.points.at(at))
}

/** The transfers that these events made, in their order. */
export async function transfersOf(
  services: Services,
  events: readonly PublicEvent[],
): Promise<TransferModel[]> {
  const read = events.map((event) => readTransfer(services, event.transferId, positionAt(sequenceOf(event))))
  return (await Promise.all(read)).filter((transfer) => transfer !== undefined)
}

/** A command that was refused: data, not an error. */
export interface RefusedModel {
  readonly type: 'Refused'
  readonly code: RefusalCode
  readonly outcome: Outcome
  /** Index of the refused transfer within its linked group, from 0. */
  readonly index: number | undefined
}

export function refusedModel(outcome: Outcome, code: RefusalCode, index?: number): RefusedModel {
  return { type: 'Refused', code, outcome, index }
}

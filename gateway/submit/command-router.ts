/**
 * Finds the partition that decides a command. It is that of the debit account. A command that names a hold or a
 * transfer instead is decided where that one was made.
 *
 * An id has one outcome. If the hold or transfer is unknown, the command goes to the partition that the named id hashes
 * to, and is refused there. If it turns up later in another partition, the same command must not be decided a second
 * time. So a command whose id has an outcome goes to the partition of that outcome; one whose id was claimed, to that
 * for which it was.
 */
import type { Command } from '../../schemas/commands.ts'
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import type { Condition } from '../../schemas/conditions.ts'
import { EVENT_KINDS } from '../../schemas/events.ts'
import { formatId, isNilId, NIL_ID, uuidV7TimeMs, type Id, sameId } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import type { Position } from '../../schemas/positions.ts'
import { fault, type Fault } from '../errors.ts'
import type { FoundRow } from '../outcomes/recent-events.ts'
import { idWords } from '../../schemas/frame-rows.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import { lifeOf } from '../outcomes/crossings/life.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { Views } from '../read/views.ts'

const ELSEWHERE_CHECK_MS = 10
/** The event of an older id is in the views, or nowhere. */
const RECENT_ID_MS_MAX = 10_000

/** The part of an event that matters here. */
interface Known {
  readonly partition: number
  readonly recordedAtNs: bigint
}

/** A command as the writer of its partition takes it. */
export interface RoutedCommand {
  readonly command: Command
  readonly partition: number
}

export interface CommandRouterPorts {
  readonly partitions: number
  readonly views: Views
  /**
   * How long to wait for an id that was made a moment ago: another gateway may have told its client before this one
   * heard of it. 0: there is no other gateway.
   */
  readonly elsewhereWaitMs: number
  /** The event of an id, if it is among the last ones of any partition. */
  find(ids: Int32Array): FoundRow | undefined
  /** The position up to which the feed has come. */
  reached(): Position
}

export class CommandRouter {
  readonly #ports: CommandRouterPorts

  constructor(ports: CommandRouterPorts) {
    this.#ports = ports
  }

  /**
   * Finds the partition that decides a command. A transfer or hold whose credit account lives elsewhere is marked as one
   * across.
   * @throws Fault CROSS_PARTITION if it is one with a condition on the credit account; NOT_YET
   */
  async route(command: Command, path: string): Promise<RoutedCommand> {
    const { partitions } = this.#ports
    if (partitions === 1) return { command, partition: 0 }
    if (command.debit === undefined || isNilId(command.debit))
      return { command, partition: await this.#routeEnding(command) }
    const partition = partitionOf(command.debit, partitions)
    const credit = command.credit ?? NIL_ID
    if (isNilId(credit) || partitionOf(credit, partitions) === partition) return { command, partition }
    if (command.ifCredit !== undefined)
      throw crossPartition(conditionPath(path, command.ifCredit), 'condition')
    return { command: { ...command, across: true }, partition }
  }

  /**
   * The partition of a command that names a hold or a transfer: the one where that was made, unless the command has an
   * outcome elsewhere.
   * @param own an event of the command's own id, if one is known
   * @param named an event of the id that it names, if one is known
   */
  async ofNamed(command: Command, own: Known | undefined, named: Known | undefined): Promise<number> {
    const { partitions, views } = this.#ports
    if (own !== undefined) return own.partition
    const unknownHome = partitionOf(command.related!, partitions)
    if (named === undefined || named.partition === unknownHome) return unknownHome
    if (Number(named.recordedAtNs / NS_PER_MS) < uuidV7TimeMs(command.id)) return named.partition
    // The command is older than what it names. It may have been sent before, and refused where unknown ids go.
    const recent = await this.recent(command.id)
    if (recent !== undefined) return recent.partition
    const point = await views.points.at(this.#ports.reached())
    return (decidedBy(await views.events(point, formatId(command.id))) ?? named).partition
  }

  /**
   * The event of an id, if it is among the last ones. With several gateways, an id that was made a moment ago is waited
   * for: another gateway may have told its client before this one heard of it.
   */
  async recent(id: Id): Promise<Known | undefined> {
    const untilMs = performance.now() + this.#ports.elsewhereWaitMs
    for (;;) {
      const found = this.#find(id)
      if (found !== undefined || performance.now() >= untilMs || !isRecentId(id)) return found
      await new Promise((resolve) => setTimeout(resolve, ELSEWHERE_CHECK_MS))
    }
  }

  /**
   * A hold is posted and voided where it was placed. An unknown hold is refused, so the views must first include
   * everything that any client may have been told of it.
   */
  async #routeEnding(command: Command): Promise<number> {
    const { views } = this.#ports
    const own = this.#findOwn(command.id)
    if (own !== undefined) return own.partition
    const recent = await this.recent(command.related ?? NIL_ID)
    if (recent !== undefined) return this.ofNamed(command, undefined, recent)
    const { points } = views
    const firsts = async (point: ReadPoint): Promise<[Known | undefined, Known | undefined]> => {
      const [named, own] = await Promise.all(
        [command.related ?? NIL_ID, command.id].map((id) => views.events(point, formatId(id))),
      )
      return [lifeOf(named!)?.first, decidedBy(own!)]
    }
    const [known, ownKnown] = await firsts(points.current())
    if (known !== undefined || ownKnown !== undefined) return this.ofNamed(command, ownKnown, known)
    const [now, ownNow] = await firsts(await points.at(this.#ports.reached()))
    return this.ofNamed(command, ownNow, now)
  }

  /** An event of the id; where there is only a claim, the partition that it names. */
  #findOwn(id: Id): Known | undefined {
    const row = this.#ports.find(idWords(id))
    if (row === undefined) return undefined
    const { rows, byte } = row
    const recordedAtNs = rows.recordedAtNs(byte)
    return { partition: isClaim(row) ? rows.code(byte) : rows.frame.partition, recordedAtNs }
  }

  #find(id: Id): Known | undefined {
    const row = this.#ports.find(idWords(id))
    return row === undefined || isClaim(row) ? undefined : this.#findOwn(id)
  }
}

/**
 * What says which partition decides with an id: the first event that was decided with it, or a claim of it.
 * @param events of the id, of all partitions
 */
export function decidedBy(events: readonly PublicEvent[]): Known | undefined {
  const first = lifeOf(events)?.first
  if (first !== undefined) return first
  const claim = events.find(({ kind }) => kind === 'IdClaimed')
  return claim && { partition: claim.code, recordedAtNs: claim.recordedAtNs }
}

function isClaim({ rows, byte }: FoundRow): boolean {
  return rows.kind(byte) === EVENT_KINDS.IdClaimed
}

/** The member of a linked group, before `index`, that places the hold which the member at `index` ends; undefined: none. */
export function placedWithin(group: readonly (Command | undefined)[], index: number): number | undefined {
  const { kind, related } = group[index] ?? {}
  if ((kind !== 'PostHold' && kind !== 'VoidHold') || related === undefined) return undefined
  const placed = group.slice(0, index).findIndex((one) => one !== undefined && sameId(one.id, related))
  return placed < 0 ? undefined : placed
}

/** What cannot go from one partition to another. */
const WHY_NOT = {
  condition:
    'A condition is judged where the debit account lives, which cannot look at the credit account. ' +
    'Leave out the condition on the credit account, or use accounts of one partition.',
  reversal:
    'The transfer went from one partition to another, and what reverses it would have to do so in one event. ' +
    'Send the money back by a transfer of its own, with the accounts the other way round.',
  group:
    'A linked group happens in one event of one partition. ' +
    'Send its transfers one by one, or link accounts of one partition.',
} as const

/** The answer to a command of which several partitions would have to decide together. Nothing was taken. */
export function crossPartition(field: string, what: keyof typeof WHY_NOT): Fault {
  return fault(
    'CROSS_PARTITION',
    `The accounts live in different partitions. ${WHY_NOT[what]} Nothing happened.`,
    { field },
  )
}

function conditionPath(path: string, condition: Condition): string {
  return `${path}.${'version' in condition ? 'ifCreditVersion' : 'ifCreditAvailableAtLeast'}`
}

/** True if the time inside an id is a moment ago. */
function isRecentId(id: Id): boolean {
  return Math.abs(Date.now() - uuidV7TimeMs(id)) < RECENT_ID_MS_MAX
}

/**
 * Finds the partition that decides a command. It is that of the debit account. A command that names a hold or a
 * transfer instead is decided where that one was made.
 *
 * An id has one outcome. If the hold or transfer is unknown, the command goes to the partition that the named id hashes
 * to, and is refused there. If it turns up later in another partition, the same command must not be decided a second
 * time. So a command whose id has an outcome goes to the partition of that outcome.
 */
import type { Command } from '../../schemas/commands.ts'
import { formatId, isNilId, NIL_ID, uuidV7TimeMs, type Id, sameId } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import type { Position } from '../../schemas/positions.ts'
import { fault, type Fault } from '../errors.ts'
import type { FoundRow } from '../outcomes/recent-events.ts'
import { idWords } from '../../schemas/frame-rows.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { Views } from '../read/views.ts'

const ELSEWHERE_CHECK_MS = 10
/** The event of an older id is in the views, or nowhere. */
const RECENT_ID_MS_MAX = 10_000

/** The part of an event that matters here. */
interface Known {
  readonly partition: number
  readonly recordedAtNs: bigint
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
   * The partition that decides a command.
   * @throws Fault CROSS_PARTITION if its accounts live in different ones; NOT_YET
   */
  async partitionOf(command: Command, path: string): Promise<number> {
    const { partitions } = this.#ports
    if (partitions === 1) return 0
    if (command.debit === undefined || isNilId(command.debit)) return this.#routeEnding(command)
    const partition = partitionOf(command.debit, partitions)
    const credit = command.credit ?? NIL_ID
    if (!isNilId(credit) && partitionOf(credit, partitions) !== partition)
      throw crossPartition(`${path}.creditAccountId`)
    return partition
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
    return (await views.events(point, formatId(command.id)))[0]?.partition ?? named.partition
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
    const own = this.#find(command.id)
    if (own !== undefined) return own.partition
    const recent = await this.recent(command.related ?? NIL_ID)
    if (recent !== undefined) return this.ofNamed(command, undefined, recent)
    const { points } = views
    const [known, ownKnown] = await Promise.all(
      [command.related ?? NIL_ID, command.id].map((id) => views.events(points.current(), formatId(id))),
    )
    if (known![0] !== undefined || ownKnown![0] !== undefined)
      return this.ofNamed(command, ownKnown![0], known![0])
    const point = await points.at(this.#ports.reached())
    const [now, ownNow] = await Promise.all(
      [command.related ?? NIL_ID, command.id].map((id) => views.events(point, formatId(id))),
    )
    return this.ofNamed(command, ownNow![0], now![0])
  }

  #find(id: Id): Known | undefined {
    const row = this.#ports.find(idWords(id))
    if (row === undefined) return undefined
    const { rows, byte } = row
    return { partition: rows.frame.partition, recordedAtNs: rows.recordedAtNs(byte) }
  }
}

/** The member of a linked group, before `index`, that places the hold which the member at `index` ends; undefined: none. */
export function placedWithin(group: readonly (Command | undefined)[], index: number): number | undefined {
  const { kind, related } = group[index] ?? {}
  if ((kind !== 'PostHold' && kind !== 'VoidHold') || related === undefined) return undefined
  const placed = group.slice(0, index).findIndex((one) => one !== undefined && sameId(one.id, related))
  return placed < 0 ? undefined : placed
}

/** The answer to a command whose accounts live in different partitions. */
export function crossPartition(field: string): Fault {
  return fault('CROSS_PARTITION', 'The accounts live in different partitions. Nothing happened.', { field })
}

/** True if the time inside an id is a moment ago. */
function isRecentId(id: Id): boolean {
  return Math.abs(Date.now() - uuidV7TimeMs(id)) < RECENT_ID_MS_MAX
}

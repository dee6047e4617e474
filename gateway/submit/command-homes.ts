/**
 * The partition that decides a command. That of its debit account; or, where it names a hold or a transfer instead, the one
 * where that was made.
 *
 * An id has one outcome. What is not known goes where its id says, and is refused there; if it comes to be known elsewhere
 * later, the same command sent again must not be decided a second time. So an id that has an outcome goes to where that is.
 */
import type { Command } from '../../schemas/commands.ts'
import { formatId, isNilId, NIL_ID, uuidV7TimeMs, type Id } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import type { Position } from '../../schemas/positions.ts'
import { fault, type Fault } from '../errors.ts'
import type { FoundRow } from '../outcomes/recent-events.ts'
import { idWords } from '../../schemas/frame-rows.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { Views } from '../read/views.ts'

const ELSEWHERE_CHECK_MS = 10
/** An id that was made longer ago is in the views, or nowhere. */
const OF_NOW_MS = 10_000

/** An event, as far as it matters here. */
interface Known {
  readonly partition: number
  readonly recordedAtNs: bigint
}

export interface CommandHomesPorts {
  readonly partitions: number
  readonly views: Views
  /** How long an id that was made a moment ago is waited for, because another gateway may have told of it; 0: there is none. */
  readonly elsewhereWaitMs: number
  /** The event of an id, if it is among a partition's last ones. */
  find(ids: Int32Array): FoundRow | undefined
  /** What the feed has brought. */
  reached(): Position
}

export class CommandHomes {
  readonly #ports: CommandHomesPorts

  constructor(ports: CommandHomesPorts) {
    this.#ports = ports
  }

  /**
   * The partition that decides a command.
   * @throws Fault CROSS_PARTITION where its accounts live in different ones; NOT_YET
   */
  async of(command: Command, path: string): Promise<number> {
    const { partitions } = this.#ports
    if (partitions === 1) return 0
    if (command.debit === undefined || isNilId(command.debit)) return this.#homeOfEnding(command)
    const partition = partitionOf(command.debit, partitions)
    const credit = command.credit ?? NIL_ID
    if (!isNilId(credit) && partitionOf(credit, partitions) !== partition)
      throw crossPartition(`${path}.creditAccountId`)
    return partition
  }

  /**
   * Where a command goes that names something which was made in a partition: there, unless it has an outcome elsewhere.
   * @param own an outcome of the command's own id, as far as it is known
   * @param named what it names, as far as it is known
   */
  async ofNamed(command: Command, own: Known | undefined, named: Known | undefined): Promise<number> {
    const { partitions, views } = this.#ports
    if (own !== undefined) return own.partition
    const unknownHome = partitionOf(command.related!, partitions)
    if (named === undefined || named.partition === unknownHome) return unknownHome
    if (Number(named.recordedAtNs / NS_PER_MS) < uuidV7TimeMs(command.id)) return named.partition
    // The command is older than what it names: it may have been sent before, and refused where unknown ids go.
    const recent = await this.recent(command.id)
    if (recent !== undefined) return recent.partition
    const point = await views.points.at(this.#ports.reached())
    return (await views.events(point, formatId(command.id)))[0]?.partition ?? named.partition
  }

  /**
   * The event of an id among the last ones. Where there are other gateways, an id that was made a moment ago is waited for:
   * one of them may have told of it before this one heard of it.
   */
  async recent(id: Id): Promise<Known | undefined> {
    const untilMs = performance.now() + this.#ports.elsewhereWaitMs
    for (;;) {
      const found = this.#find(id)
      if (found !== undefined || performance.now() >= untilMs || !isOfNow(id)) return found
      await new Promise((resolve) => setTimeout(resolve, ELSEWHERE_CHECK_MS))
    }
  }

  /**
   * A hold is posted and voided where it was placed. One that nobody knows is refused: so the views have to include all that
   * anybody may have been told of it.
   */
  async #homeOfEnding(command: Command): Promise<number> {
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

/** The answer to a command whose accounts do not live together. */
export function crossPartition(field: string): Fault {
  return fault('CROSS_PARTITION', 'The accounts live in different partitions. Nothing happened.', { field })
}

/** True if an id was made a moment ago, by its own time. */
function isOfNow(id: Id): boolean {
  return Math.abs(Date.now() - uuidV7TimeMs(id)) < OF_NOW_MS
}

/**
 * Automatic batches: what is submitted in one turn of the event loop, or while as many batches as may be are under way,
 * travels together. Commands for one partition keep their order; a linked group stays in one request.
 */
import type { CommandResult, LaneResults } from '../schemas/lane-results.ts'
import { ANY_PARTITION, LANE_HEADER_BYTES, type LaneHello } from '../schemas/lane.ts'
import { ProtocolError, type BulkError } from './errors.ts'
import type { Sender } from './sender.ts'

/** Batches under way for one partition: one being committed, one travelling. More would only be smaller. */
const UNDER_WAY_MAX = 2

/** A command, or a linked group. */
export interface BatchMember {
  readonly slots: Uint8Array
  readonly count: number
  /** Gets a result for each of its commands. */
  readonly resolve: (results: CommandResult[]) => void
  readonly reject: (error: BulkError) => void
}

interface Batch {
  readonly members: BatchMember[]
  count: number
  bytes: number
}

export class Batches {
  readonly #sender: Sender
  readonly #byPartition = new Map<number, PartitionBatches>()
  #toFlush: PartitionBatches[] = []

  constructor(sender: Sender) {
    this.#sender = sender
  }

  /** @param partition to which all of it belongs, or ANY_PARTITION */
  add(partition: number, member: BatchMember): void {
    const batches = this.#byPartition.get(partition) ?? this.#open(partition)
    if (batches.add(member) && this.#toFlush.push(batches) === 1) setImmediate(() => this.#flush())
  }

  #open(partition: number): PartitionBatches {
    const batches = new PartitionBatches(this.#sender, partition)
    this.#byPartition.set(partition, batches)
    return batches
  }

  #flush(): void {
    const all = this.#toFlush
    this.#toFlush = []
    for (const batches of all) batches.flush()
  }
}

/** What goes to one partition (or has to be looked up): whole batches, the last of them still open. */
class PartitionBatches {
  readonly #sender: Sender
  readonly #partition: number
  readonly #waiting: Batch[] = []
  #underWay = 0
  #isFlushDue = false

  constructor(sender: Sender, partition: number) {
    this.#sender = sender
    this.#partition = partition
  }

  /** True where a flush is now due that was not before. */
  add(member: BatchMember): boolean {
    const last = this.#waiting.at(-1)
    if (last === undefined || !fits(last, member, this.#sender.hello))
      this.#waiting.push({ members: [member], count: member.count, bytes: member.slots.length })
    else {
      last.members.push(member)
      last.count += member.count
      last.bytes += member.slots.length
    }
    if (this.#isFlushDue) return false
    return (this.#isFlushDue = true)
  }

  flush(): void {
    this.#isFlushDue = false
    while (this.#underWay < UNDER_WAY_MAX && this.#waiting.length > 0) {
      const batch = this.#waiting.shift()!
      this.#underWay++
      this.#sender.send(joined(batch), batch.count, this.#partition).then(
        (results) => this.#done(() => settle(batch, results)),
        (error: unknown) => this.#done(() => reject(batch, error as BulkError)),
      )
    }
  }

  #done(tell: () => void): void {
    this.#underWay--
    tell()
    // Behind what those who were told submit right now.
    if (this.#waiting.length > 0 && !this.#isFlushDue) {
      this.#isFlushDue = true
      setImmediate(() => this.flush())
    }
  }
}

function fits(batch: Batch, member: BatchMember, bounds: LaneHello): boolean {
  return (
    batch.count + member.count <= bounds.commandsPerRequestMax &&
    batch.bytes + member.slots.length + LANE_HEADER_BYTES <= bounds.bytesPerRequestMax
  )
}

function joined({ members, bytes }: Batch): Uint8Array {
  if (members.length === 1) return members[0]!.slots
  const slots = new Uint8Array(bytes)
  let at = 0
  for (const member of members) {
    slots.set(member.slots, at)
    at += member.slots.length
  }
  return slots
}

function settle({ members }: Batch, results: LaneResults): void {
  let index = 0
  for (const { count, resolve, reject } of members) {
    const own: CommandResult[] = []
    for (const end = index + count; index < end; index++) {
      const result = results.at(index)
      if (result !== undefined) own.push(result)
    }
    if (own.length === count) resolve(own)
    else reject(new ProtocolError('protocol', `a result has status or code of another version`, true))
  }
}

function reject({ members }: Batch, error: BulkError): void {
  for (const member of members) member.reject(error)
}

/** Where to send a group of which these are the partitions: there, or to be looked up. */
export function commonPartition(partitions: readonly number[]): number {
  const [first = ANY_PARTITION] = partitions
  return partitions.every((partition) => partition === first) ? first : ANY_PARTITION
}

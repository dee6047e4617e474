/**
 * The command queue of an embedded writer: bounded memory on the thread that takes commands. While the core is busy, offers
 * gather in one batch; when it asks for more, it gets all that has gathered. So batches grow with load, by themselves.
 */
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { BatchMemory } from '../handoff/batch-memory.ts'
import { offsetsFrom } from './offer-offsets.ts'
import type { CommandQueue } from '../ports.ts'

/** Slots that may be taken and not yet consumed, unless said otherwise: about 20 MiB, eight full batches of two slots. */
export const QUEUE_SLOTS_MAX_DEFAULT = 2 ** 17

/** Takes batches to the core that asked for them. */
export interface BatchSink {
  /**
   * @param slots whole offers only, in shared memory that stays as it is until all its commands are consumed
   * @param count 1 to BATCH_COMMANDS_MAX
   */
  send(slots: Uint8Array<SharedArrayBuffer>, count: number, firstOffset: bigint): void
}

export interface MemoryQueueOptions {
  readonly partition: number
  /** Offset of the next command: the log head's next command offset, when a deployment starts again. */
  readonly nextOffset: bigint
  /** Default: QUEUE_SLOTS_MAX_DEFAULT. */
  readonly slotsMax?: number
  readonly core: BatchSink
  /** Runs a task at the end of this turn, when the offers of this turn are in. */
  readonly soon: (task: () => void) => void
}

export interface MemoryQueue extends CommandQueue {
  /**
   * The way in for a coordinator. Steps may take as much room again as all commands may: what has begun elsewhere is not
   * kept from its end by what has yet to begin.
   */
  readonly steps: Pick<CommandQueue, 'offer'>
  /** The core wants one more batch: sent in this turn of the event loop if commands wait, else when the next ones come. */
  wanted(): void
  /** Frees the room of commands before this offset: their frame is durable. */
  consumed(nextCommandOffset: bigint): void
  /** Takes no more. What was taken is still sent as the core asks for it. */
  stop(): void
  /** Commands taken and not yet sent. */
  unsent(): number
}

/** Commands gathered, sent or not. */
interface Batch {
  bytes: Uint8Array<SharedArrayBuffer>
  usedBytes: number
  count: number
  readonly firstOffset: bigint
}

const TAKEN = { kind: 'taken' } as const

export function createMemoryQueue(options: MemoryQueueOptions): MemoryQueue {
  const { partition, slotsMax = QUEUE_SLOTS_MAX_DEFAULT, core, soon } = options
  let nextOffset = options.nextOffset
  let consumedOffset = options.nextOffset
  let slotsTaken = 0
  let isStopped = false
  /** Batches that the core still has to ask for. */
  let batchesWanted = 0
  let isFlushDue = false
  /** Not yet sent, in order; the last one gathers. */
  const gathered: Batch[] = []
  /** Sent and not yet consumed. */
  const sent: Batch[] = []
  const memory = new BatchMemory()

  function batchFor(count: number, bytes: number): Batch {
    const last = gathered.at(-1)
    if (last !== undefined && last.count + count <= BATCH_COMMANDS_MAX) return last
    const batch = {
      bytes: memory.take(bytes),
      usedBytes: 0,
      count: 0,
      firstOffset: nextOffset,
    }
    gathered.push(batch)
    return batch
  }

  function gather(slots: Uint8Array, count: number): void {
    const batch = batchFor(count, slots.length)
    const bytesNeeded = batch.usedBytes + slots.length
    if (bytesNeeded > batch.bytes.length) {
      const grown = memory.take(bytesNeeded)
      grown.set(batch.bytes.subarray(0, batch.usedBytes))
      memory.give(batch.bytes)
      batch.bytes = grown
    }
    batch.bytes.set(slots, batch.usedBytes)
    batch.usedBytes = bytesNeeded
    batch.count += count
  }

  /** At the end of this turn, so that offers of one turn travel together. */
  function flushSoon(): void {
    if (isFlushDue || batchesWanted === 0 || gathered.length === 0) return
    isFlushDue = true
    soon(() => {
      isFlushDue = false
      flush()
    })
  }

  function flush(): void {
    while (batchesWanted > 0 && gathered.length > 0) {
      batchesWanted--
      const batch = gathered.shift()!
      sent.push(batch)
      core.send(batch.bytes.subarray(0, batch.usedBytes), batch.count, batch.firstOffset)
    }
  }

  /** Offers beyond so many slots taken are answered `busy`. */
  const offerWithin =
    (slotsTakenMax: number): CommandQueue['offer'] =>
    (slots, count, stored) => {
      const slotCount = slots.length / COMMAND_SLOT_BYTES
      if (!Number.isInteger(slotCount) || count < 1 || count > BATCH_COMMANDS_MAX || slotCount < count)
        throw new RangeError(`not an offer of ${count} commands: ${slots.length} bytes`)
      if (isStopped) return { kind: 'stopped' }
      if (slotsTaken + slotCount > slotsTakenMax) return { kind: 'busy' }
      const firstOffset = nextOffset
      gather(slots, count)
      nextOffset += BigInt(count)
      slotsTaken += slotCount
      flushSoon()
      stored(offsetsFrom(firstOffset, count))
      return TAKEN
    }

  return {
    partition,
    offer: offerWithin(slotsMax),
    steps: { offer: offerWithin(2 * slotsMax) },
    waiting: () => Number(nextOffset - consumedOffset),
    unsent: () => gathered.reduce((sum, batch) => sum + batch.count, 0),
    wanted() {
      batchesWanted++
      flushSoon()
    },
    consumed(nextCommandOffset) {
      if (nextCommandOffset <= consumedOffset) return
      if (nextCommandOffset > nextOffset)
        throw new Error(
          `commands were consumed up to ${nextCommandOffset}, but only ${nextOffset} were taken`,
        )
      consumedOffset = nextCommandOffset
      while (sent.length > 0 && endOf(sent[0]!) <= nextCommandOffset) {
        const batch = sent.shift()!
        slotsTaken -= batch.usedBytes / COMMAND_SLOT_BYTES
        memory.give(batch.bytes)
      }
    },
    stop() {
      isStopped = true
    },
  }
}

/** Offset behind its last command. */
function endOf({ firstOffset, count }: Batch): bigint {
  return firstOffset + BigInt(count)
}

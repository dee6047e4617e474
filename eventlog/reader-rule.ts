/**
 * The reader rule, the same for every reader of every log: a frame is accepted only if it continues the accepted chain.
 * Everything else is void: a repeated append, a retried produce, the frame of a writer that has been replaced. Void frames
 * are skipped and counted, whatever the storage promised. A frame whose own bytes are wrong never comes here: `readFrame`
 * has checked CRC and hash, and what it turns down is corruption.
 */
import { HASH_BYTES, lastSequence, sameBytes, type Frame } from '../schemas/frames.ts'
import type { LogHead } from './ports.ts'

export type VoidReason = 'other_partition' | 'sequence' | 'previous_hash' | 'epoch'

export type Judgement = { readonly kind: 'accepted' } | { readonly kind: 'void'; readonly reason: VoidReason }

export interface ReaderRule {
  /** Judges the next frame in storage order; an accepted one becomes the head. */
  judge(frame: Frame): Judgement
  /** Where the accepted chain ends. */
  head(): LogHead
  /** Frames found void so far. */
  voids(): number
}

/** The head of a log in which nothing has been accepted yet. */
export function emptyHead(partition: number): LogHead {
  return {
    partition,
    epoch: 0n,
    sequence: 0n,
    hash: new Uint8Array(HASH_BYTES),
    nextCommandOffset: 0n,
    nextCommandIndex: 0,
    commandsTopic: 0,
  }
}

/** The head after an accepted frame. Its hash is a copy, so that the frame's bytes need not live on. */
export function headAfter(frame: Frame): LogHead {
  return {
    partition: frame.partition,
    epoch: frame.epoch,
    sequence: lastSequence(frame),
    hash: frame.hash.slice(),
    nextCommandOffset: frame.nextCommandOffset,
    nextCommandIndex: frame.nextCommandIndex,
    commandsTopic: frame.commandsTopic,
  }
}

/** @param start the head from which the chain goes on; by default the beginning of the log */
export function createReaderRule(partition: number, start: LogHead = emptyHead(partition)): ReaderRule {
  let head = start
  let voids = 0

  function reasonAgainst(frame: Frame): VoidReason | undefined {
    if (frame.partition !== partition) return 'other_partition'
    if (frame.firstSequence !== head.sequence + 1n) return 'sequence'
    if (!sameBytes(frame.previousHash, head.hash)) return 'previous_hash'
    if (frame.epoch < head.epoch) return 'epoch'
    return undefined
  }

  return {
    judge(frame) {
      const reason = reasonAgainst(frame)
      if (reason !== undefined) {
        voids++
        return { kind: 'void', reason }
      }
      head = headAfter(frame)
      return { kind: 'accepted' }
    },
    head: () => head,
    voids: () => voids,
  }
}

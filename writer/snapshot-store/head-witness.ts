/**
 * A frame of a partition that was once read as part of its accepted chain, kept where the snapshots are: from then on a log
 * that does not hold it has gone backwards, or is another one. Each writer leaves one when its opening frame stands, so that
 * also a deployment that has no snapshot yet notices an emptied topic. One line of JSON with a hash over what it says:
 *
 * With the id of the topic that it stands in, where brokers give ids (`"topic"`, format 2): only there do the events stand
 * where they were written.
 *
 *   {"format":1,"partition":0,"epoch":"2","sequence":"1042","place":"77","hash":"<64 hex digits>","sha256":"<64 hex digits>"}
 */
import { createHash } from 'node:crypto'
import { sameBytes } from '../../schemas/frames.ts'

export interface HeadWitness {
  readonly partition: number
  readonly epoch: bigint
  /** Last sequence at the end of the frame; 0: nothing has happened yet. */
  readonly sequence: bigint
  /** Offset of its record on the events topic. */
  readonly logOffset: bigint
  /** The frame's hash: 32 bytes. */
  readonly hash: Uint8Array
  /** Id of that topic: 16 bytes. Left out: not known. */
  readonly topicId?: Uint8Array
}

/** Bytes that a witness takes at most. */
export const WITNESS_BYTES_MAX = 1_024
const WHOLE_NUMBER = '(0|[1-9]\\d{0,18})'
const LINE = new RegExp(
  `^\\{"format":[12],"partition":(\\d{1,4}),"epoch":"${WHOLE_NUMBER}","sequence":"${WHOLE_NUMBER}","place":"${WHOLE_NUMBER}",` +
    '"hash":"([0-9a-f]{64})",(?:"topic":"([0-9a-f]{32})",)?"sha256":"[0-9a-f]{64}"\\}\\n$',
)

/** Name of a partition's witness among the snapshots. */
export function nameOfWitness(partition: number): string {
  return `${partition}/head.json`
}

export function encodeWitness({ partition, epoch, sequence, logOffset, hash, topicId }: HeadWitness): string {
  const said = {
    format: topicId === undefined ? 1 : 2,
    partition,
    epoch: String(epoch),
    sequence: String(sequence),
    place: String(logOffset),
    hash: Buffer.from(hash).toString('hex'),
    ...(topicId === undefined ? {} : { topic: Buffer.from(topicId).toString('hex') }),
  }
  const sha256 = createHash('sha256')
    .update(`purser head ${JSON.stringify(said)}`)
    .digest('hex')
  return `${JSON.stringify({ ...said, sha256 })}\n`
}

/** What a text says; undefined if it is not what was written for this partition. */
export function decodeWitness(text: string, partition: number): HeadWitness | undefined {
  const match = LINE.exec(text)
  if (match === null) return undefined
  const [, named, epoch, sequence, logOffset, hash, topic] = match
  const witness = {
    partition: Number(named),
    epoch: BigInt(epoch!),
    sequence: BigInt(sequence!),
    logOffset: BigInt(logOffset!),
    hash: Uint8Array.from(Buffer.from(hash!, 'hex')),
    ...(topic === undefined ? {} : { topicId: Uint8Array.from(Buffer.from(topic, 'hex')) }),
  }
  return witness.partition === partition && encodeWitness(witness) === text ? witness : undefined
}

/** True if the frame is known to stand in the topic with this id. */
export function standsIn(known: HeadWitness | undefined, topicId: Uint8Array | undefined): boolean {
  return topicId !== undefined && known?.topicId !== undefined && sameBytes(known.topicId, topicId)
}

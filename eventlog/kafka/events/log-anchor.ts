/** A frame that a snapshot, a checkpoint or a witness names, and whether the topic still has it. */
import { sameBytes, type Frame } from '../../../schemas/frames.ts'
import { decodeTopicRecord } from './record.ts'
import type { TopicReader } from '../partition/topic-reader.ts'

/**
 * How often the leader may answer, a second each, that it has no record at the anchor's offset: a new leader may not know at
 * once what its replicas have.
 */
const ANSWERS_MAX_DEFAULT = 10

export interface LogAnchor {
  /** Offset of its record. */
  readonly logOffset: bigint
  /** The frame's hash: 32 bytes. */
  readonly hash: Uint8Array
}

export interface ReadAnchorOptions {
  /** How often the leader may answer that there is no record. Default: 10. */
  readonly answersMax?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is at an anchor's offset: its frame, or something else, as a noun for a sentence. */
export type AnchorReading =
  { readonly kind: 'frame'; readonly frame: Frame } | { readonly kind: 'other'; readonly found: string }

/** @throws KafkaOffsetError if the offset was deleted or is beyond the end; as TopicReader; the signal's reason */
export async function readAnchor(
  reader: TopicReader,
  { logOffset, hash }: LogAnchor,
  { answersMax: emptyAnswersMax = ANSWERS_MAX_DEFAULT, signal }: ReadAnchorOptions,
): Promise<AnchorReading> {
  let found = 'nothing'
  for await (const [record] of reader.read(logOffset, { upTo: logOffset + 1n, emptyAnswersMax, signal })) {
    const read = decodeTopicRecord(record!)
    if (read.kind === 'frame' && sameBytes(read.frame.hash, hash)) return read
    found = read.kind === 'frame' ? 'another frame' : `no frame (${read.reason})`
  }
  signal?.throwIfAborted()
  return { kind: 'other', found }
}

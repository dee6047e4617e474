/**
 * Where a partition's snapshots go so that a writer on another machine can start from them, and a witness of its log. The log
 * is the truth: what a store loses of snapshots costs the next start time, not money. Without the witness, a log that went
 * backwards may not be noticed.
 */
import { decodeWitness, nameOfWitness, type HeadWitness } from './head-witness.ts'

/** A snapshot in a store. Its name carries the partition and the sequence: `<partition>/<sequence, 20 digits>.snap`. */
export interface StoredSnapshot {
  readonly partition: number
  /** Sequence of the last event in it. */
  readonly sequence: bigint
  /** Size of its file. */
  readonly bytes: number
}

/** What takes a signal rejects with the signal's reason as soon as that aborts: nobody waits for a store that is silent. */
export interface SnapshotStore {
  /** What it is, for people: a folder or a bucket. */
  readonly location: string
  /**
   * The snapshots of a partition, newest first. Files that are no snapshots are not seen.
   * @throws SnapshotStoreError
   */
  list(partition: number, signal?: AbortSignal): Promise<readonly StoredSnapshot[]>
  /**
   * Copies a local snapshot file into the store, in pieces, in place of one with the same name. Readers see it whole or
   * not at all. Then removes older ones until `kept` are left, this one included.
   * @param file path of a file that nobody changes; it may be removed meanwhile
   * @param kept at least 1
   * @throws SnapshotStoreError; the system's error if the local file cannot be read
   */
  publish(
    partition: number,
    sequence: bigint,
    file: string,
    kept: number,
    signal?: AbortSignal,
  ): Promise<void>
  /**
   * Copies a snapshot to a local file, in pieces: written aside, synced and renamed, in place of what stands there.
   * @param file path in a folder that exists
   * @returns `absent` if the store does not hold it (any more): then nothing was changed
   * @throws SnapshotStoreError; the system's error if the local file cannot be written
   */
  fetch(
    partition: number,
    sequence: bigint,
    file: string,
    signal?: AbortSignal,
  ): Promise<'fetched' | 'absent'>
  /**
   * The witness that was written last, whoever wrote it; undefined if there is none.
   * @throws SnapshotStoreError `snapshot_store_damaged` if it is not what was written, and others
   */
  readWitness(partition: number, signal?: AbortSignal): Promise<HeadWitness | undefined>
  /**
   * Puts a witness in place of the one before, whole or not at all. An older one may overtake: it says less, and is as true.
   * @throws SnapshotStoreError
   */
  writeWitness(witness: HeadWitness, signal?: AbortSignal): Promise<void>
  /** What is under way rejects. */
  close(): void
}

export type SnapshotStoreErrorCode =
  /** It did not answer for as long as was waited. */
  | 'snapshot_store_unreachable'
  /** It answered, and will not do what is asked: no such bucket or folder, no permission. */
  | 'snapshot_store_refused'
  /** What it holds is not what was written. */
  | 'snapshot_store_damaged'

export class SnapshotStoreError extends Error {
  override readonly name = 'SnapshotStoreError'
  readonly code: SnapshotStoreErrorCode
  constructor(code: SnapshotStoreErrorCode, location: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
    super(SENTENCES[code](location, reason.replace(/\.$/, '')), { cause })
    this.code = code
  }
}

const SENTENCES: Readonly<Record<SnapshotStoreErrorCode, (location: string, reason: string) => string>> = {
  snapshot_store_unreachable: (place, reason) =>
    `The snapshot store ${place} does not answer: ${reason}. Check the network and the store.`,
  snapshot_store_refused: (place, reason) =>
    `The snapshot store ${place} refused: ${reason}. Check its name, its address and the permissions.`,
  snapshot_store_damaged: (place, reason) =>
    `The snapshot store ${place} is damaged: ${reason}. Look at what holds the store.`,
}

/**
 * @param location the store's own
 * @throws SnapshotStoreError `snapshot_store_damaged`
 */
export function witnessIn(location: string, text: string, partition: number): HeadWitness {
  const witness = decodeWitness(text, partition)
  if (witness !== undefined) return witness
  const reason = `${nameOfWitness(partition)} is not what was written; once you know that the topic is whole, remove that file`
  throw new SnapshotStoreError('snapshot_store_damaged', location, new Error(reason))
}

const NAME = /^(\d{1,4})\/(\d{20})\.snap$/

export function nameOfSnapshot(partition: number, sequence: bigint): string {
  return `${partition}/${String(sequence).padStart(20, '0')}.snap`
}

/** What a name says; undefined if it is not a snapshot's. */
export function parseSnapshotName(name: string): Omit<StoredSnapshot, 'bytes'> | undefined {
  const match = NAME.exec(name)
  return match === null ? undefined : { partition: Number(match[1]), sequence: BigInt(match[2]!) }
}

export function newestFirst(snapshots: readonly StoredSnapshot[]): StoredSnapshot[] {
  return [...snapshots].sort((a, b) => (a.sequence < b.sequence ? 1 : a.sequence > b.sequence ? -1 : 0))
}

/**
 * What the snapshot at `newest` has made superfluous: older ones but the newest `kept` − 1. A later name stays: another
 * writer may have published it meanwhile.
 */
export function superfluous(
  snapshots: readonly StoredSnapshot[],
  newest: bigint,
  kept: number,
): StoredSnapshot[] {
  if (!Number.isInteger(kept) || kept < 1) throw new RangeError('at least one snapshot is kept')
  return newestFirst(snapshots)
    .filter(({ sequence }) => sequence < newest)
    .slice(kept - 1)
}

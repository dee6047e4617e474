/** Whether commands are taken and views are read, and if not, why. */
import type { Projections } from '../projectors/status.ts'
import type { ViewStore } from '../projectors/view-store.ts'
import type { Writer, WriterStatus } from '../writer/writer.ts'
import type { Feed } from './feed.ts'

export interface Readiness {
  /**
   * False if nobody can be served. Where there are several partitions, one that is away makes a reason and no more: every
   * gateway has it away, and behind an address that asks for readiness none would be left for the others.
   */
  readonly ready: boolean
  /** For people: what is missing. */
  readonly reasons: readonly string[]
  /** One per partition, in the order of their numbers. */
  readonly writers: readonly WriterReadiness[]
}

export interface WriterReadiness {
  readonly partition: number
  readonly state: WriterStatus['state']
  /** The newest snapshot that a start can use; null: it would replay the log from its first event. Missing where the writer is another process, which tells of it itself. */
  readonly snapshot?: SnapshotReadiness | null
  /** True while another snapshot is made; missing with the one above. */
  readonly snapshotUnderWay?: boolean
}

export interface SnapshotReadiness {
  /** Sequence of the last event in it, in decimal. */
  readonly sequence: string
  /** Whole seconds since the state that it holds, by the wall clock. */
  readonly ageSeconds: number
  /** Size of its file. */
  readonly bytes: number
  /** How long it took to make; null if an earlier run made it. */
  readonly durationMs: number | null
}

/** How long an answer about the store stands, so that probes cost it nothing. */
const PING_FRESH_MS = 1_000
const NS_PER_SECOND = 1_000_000_000n

export function createReadiness(parts: {
  readonly writers: readonly Writer[]
  readonly store: ViewStore
  readonly projections: Projections
  readonly feed: Feed
  readonly isDraining: () => boolean
  /** Nanoseconds since 1970. */
  readonly clock: () => bigint
}): () => Promise<Readiness> {
  let asked: { readonly atMs: number; readonly answer: Promise<boolean> } | undefined
  const storeAnswers = (): Promise<boolean> => {
    if (asked === undefined || performance.now() - asked.atMs > PING_FRESH_MS)
      asked = { atMs: performance.now(), answer: parts.store.ping().catch(() => false) }
    return asked.answer
  }
  return async () => {
    const reasons: string[] = []
    const away: string[] = []
    if (parts.isDraining()) reasons.push('The server is going down.')
    for (const writer of parts.writers) {
      const { state, failure } = writer.status()
      const { partition } = writer.queue
      const feedFailure = parts.feed.failure(partition)
      if (state !== 'ready')
        away.push(
          `The writer of partition ${partition} is ${state}${failure === undefined ? '' : `: ${failure}`}.`,
        )
      else if (feedFailure !== undefined) away.push(feedFailure)
    }
    for (const { name, state, failure } of parts.projections.status())
      if (state === 'stopped')
        reasons.push(`The projection ${name} has stopped: ${failure ?? 'no reason given'}.`)
    if (!(await storeAnswers())) reasons.push('The views cannot be read just now.')
    const writers = parts.writers.map((writer) => readinessOf(writer, parts.clock()))
    const isAway = away.length > 0 && away.length === parts.writers.length
    return { ready: reasons.length === 0 && !isAway, reasons: [...reasons, ...away], writers }
  }
}

function readinessOf(writer: Writer, nowNs: bigint): WriterReadiness {
  const { state, snapshot } = writer.status()
  const { partition } = writer.queue
  if (snapshot === undefined) return { partition, state }
  const { newest, isUnderWay } = snapshot
  return {
    partition,
    state,
    snapshot:
      newest === undefined
        ? null
        : {
            sequence: String(newest.sequence),
            // A clock that was set back makes nothing younger than new.
            ageSeconds: Math.max(0, Number((nowNs - newest.takenAtNs) / NS_PER_SECOND)),
            bytes: newest.bytes,
            durationMs: newest.durationMs ?? null,
          },
    snapshotUnderWay: isUnderWay,
  }
}

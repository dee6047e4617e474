/** Whether commands are taken and views are read, and if not, why. */
import type { Projections } from '../projectors/status.ts'
import type { ViewStore } from '../projectors/view-store.ts'
import type { Writer } from '../writer/writer.ts'
import type { Feed } from './feed.ts'

export interface Readiness {
  readonly ready: boolean
  /** For people: what is missing. */
  readonly reasons: readonly string[]
}

/** How long an answer about the store stands, so that probes cost it nothing. */
const PING_FRESH_MS = 1_000

export function createReadiness(parts: {
  readonly writers: readonly Writer[]
  readonly store: ViewStore
  readonly projections: Projections
  readonly feed: Feed
  readonly isDraining: () => boolean
}): () => Promise<Readiness> {
  let asked: { readonly atMs: number; readonly answer: Promise<boolean> } | undefined
  const storeAnswers = (): Promise<boolean> => {
    if (asked === undefined || performance.now() - asked.atMs > PING_FRESH_MS)
      asked = { atMs: performance.now(), answer: parts.store.ping().catch(() => false) }
    return asked.answer
  }
  return async () => {
    const reasons: string[] = []
    if (parts.isDraining()) reasons.push('The server is going down.')
    for (const writer of parts.writers) {
      const { state, failure } = writer.status()
      if (state !== 'ready')
        reasons.push(
          `The writer of partition ${writer.queue.partition} is ${state}${failure === undefined ? '' : `: ${failure}`}.`,
        )
    }
    const feedFailure = parts.feed.failure()
    if (feedFailure !== undefined) reasons.push(feedFailure)
    for (const { name, state, failure } of parts.projections.status())
      if (state === 'stopped')
        reasons.push(`The projection ${name} has stopped: ${failure ?? 'no reason given'}.`)
    if (!(await storeAnswers())) reasons.push('The views cannot be read just now.')
    return { ready: reasons.length === 0, reasons }
  }
}

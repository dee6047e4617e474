/** Takes a witness of the log to the store that all writers share, and tries again for as long as it is not there. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { HeadWitness } from './head-witness.ts'
import type { SnapshotStore } from './snapshot-store.ts'

const RETRY_MS = 60_000

export interface PublishWitnessOptions {
  readonly store: SnapshotStore
  readonly notice: (line: string) => void
  /** Ends it, whether it is done or not. */
  readonly signal: AbortSignal
}

/** Never rejects: nothing depends on it but what a later start notices. */
export async function publishWitness(witness: HeadWitness, options: PublishWitnessOptions): Promise<void> {
  const { store, notice, signal } = options
  while (!signal.aborted) {
    try {
      await store.writeWitness(witness, signal)
      return
    } catch (error) {
      if (signal.aborted) return
      const reason = error instanceof Error ? error.message : String(error)
      notice(`The store does not know yet how far the log of partition ${witness.partition} is: ${reason}`)
      await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
}

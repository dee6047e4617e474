/**
 * Takes each snapshot that has become durable on this machine to the store that all writers share: the newest one, one at a
 * time. What fails is told and tried again later; nothing but the next start's time depends on it.
 */
import { messageOf } from '../../schemas/errors.ts'
import { hasCode } from '../../eventlog/system-error.ts'
import { snapshotFile } from '../snapshots/snapshot-folder.ts'
import type { SnapshotStore } from './snapshot-store.ts'

const RETRY_MS_DEFAULT = 60_000

export interface SnapshotPublisherOptions {
  readonly store: SnapshotStore
  readonly scratchDir: string
  readonly partition: number
  /** Snapshots to keep in the store, the newest included. */
  readonly kept: number
  readonly notice: (line: string) => void
  /** Resolves when the store may be given a snapshot; rejects with why it may not yet. Asked before each. Default: at once. */
  readonly ready?: () => Promise<void>
  /** Pause after a failure. Default: one minute. */
  readonly retryMs?: number
}

export class SnapshotPublisher {
  /** Sequence of the newest snapshot that this writer took to the store; 0: none yet. */
  published = 0n
  /** Why the newest snapshot is not in the store, as a sentence; undefined: it is, or is on its way for the first time. */
  failure: string | undefined
  private readonly options: SnapshotPublisherOptions
  /** Durable here, and not in the store. */
  private waiting: bigint | undefined
  private working: Promise<void> | undefined
  private retry: NodeJS.Timeout | undefined
  private readonly over = new AbortController()

  constructor(options: SnapshotPublisherOptions) {
    this.options = options
  }

  /** A snapshot is durable on this machine. */
  kept(sequence: bigint): void {
    this.waiting = sequence
    this.work()
  }

  /** Waits until the newest is in the store, or has failed, or the time is over. Then nothing is published any more. */
  async finish(forMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const bound = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, forMs)
    })
    this.work()
    await Promise.race([this.working, bound])
    clearTimeout(timer)
    this.end()
  }

  /** Publishes nothing more. What is under way is ended: in the store it is whole or not there. */
  end(): void {
    this.over.abort()
    clearTimeout(this.retry)
  }

  private work(): void {
    if (this.working !== undefined || this.waiting === undefined || this.over.signal.aborted) return
    clearTimeout(this.retry)
    this.working = this.publishWaiting().finally(() => {
      this.working = undefined
    })
  }

  private async publishWaiting(): Promise<void> {
    const { store, scratchDir, partition, kept, notice, ready, retryMs = RETRY_MS_DEFAULT } = this.options
    const { signal } = this.over
    while (this.waiting !== undefined && !signal.aborted) {
      const sequence = this.waiting
      this.waiting = undefined
      try {
        if (ready !== undefined) await ready()
        const file = snapshotFile(scratchDir, partition, sequence)
        await store.publish(partition, sequence, file, kept, signal)
        this.published = sequence
        this.failure = undefined
      } catch (error) {
        if (signal.aborted) return
        // A newer one has taken its place meanwhile.
        if (hasCode(error, 'ENOENT')) continue
        this.waiting ??= sequence
        const reason = messageOf(error)
        this.failure = `The snapshot at sequence ${sequence} of partition ${partition} is not in the store: ${reason}`
        notice(this.failure)
        this.retry = setTimeout(() => {
          this.work()
        }, retryMs)
        this.retry.unref()
        return
      }
    }
  }
}

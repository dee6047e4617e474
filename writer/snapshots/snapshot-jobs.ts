/**
 * The snapshot thread, as the core thread handles it: a short-lived thread for each job. It hashes and writes a snapshot
 * out of a little shared memory that the core thread fills, or makes a digest of a whole copy.
 *
 *   core thread ──slice, finish, abandon──▶ snapshot thread ──room, saved | failed, notice──▶ core thread
 */
import { Worker } from 'node:worker_threads'
import { runtimeEntry } from '../../eventlog/runtime-entry.ts'
import type { CoreSection, SectionLength } from '../core/core.ts'
import type { SnapshotPosition } from './snapshot-format.ts'
import type { SinkListener, SnapshotSink } from './snapshot-keeper.ts'

/** A slice: what one step of a copy takes of the loop's time, about a quarter of a millisecond. */
export const SLICE_BYTES = 512 * 1024
/** Slices that may wait for the disk. */
const SLICES = 4

export type SnapshotJob = SaveJob | { readonly kind: 'digest'; readonly sections: readonly CoreSection[] }

export interface SaveJob {
  readonly kind: 'save'
  readonly dataDir: string
  readonly position: SnapshotPosition
  readonly sections: readonly SectionLength[]
  /** Snapshots to keep, this one included. */
  readonly kept: number
  /** Sequences of snapshots that were found unusable. */
  readonly unusable: readonly bigint[]
  /** Room i begins at byte i × SLICE_BYTES. */
  readonly rooms: SharedArrayBuffer
}

/** Core thread → snapshot thread. */
export type ToSaving =
  | { readonly kind: 'slice'; readonly room: number; readonly bytes: number }
  | { readonly kind: 'finish' }
  | { readonly kind: 'abandon' }

/** Snapshot thread → core thread. */
export type FromSaving =
  | { readonly kind: 'room'; readonly room: number }
  | { readonly kind: 'saved'; readonly fileBytes: number }
  | { readonly kind: 'failed'; readonly reason: string }
  /** A line for the operator. */
  | { readonly kind: 'notice'; readonly line: string }

/** Begins to write a snapshot in a thread of its own. */
export function saveInThread(
  job: Omit<SaveJob, 'kind' | 'rooms'>,
  listener: SinkListener,
  notice: (line: string) => void,
): SnapshotSink {
  const rooms = new SharedArrayBuffer(SLICES * SLICE_BYTES)
  const free = Array.from({ length: SLICES }, (_, index) => index)
  const workerData: SaveJob = { kind: 'save', ...job, rooms }
  const worker = new Worker(snapshotThread(), { name: 'snapshot', workerData })
  let isOver = false
  function end(tell: () => void): void {
    if (isOver) return
    isOver = true
    tell()
  }
  const fail = (reason: string): void => {
    end(() => {
      listener.failed(reason)
    })
  }
  worker.on('message', (message: FromSaving) => {
    switch (message.kind) {
      case 'room':
        free.push(message.room)
        if (!isOver) listener.room()
        return
      case 'saved':
        end(() => {
          listener.saved(message.fileBytes)
        })
        return
      case 'failed':
        fail(message.reason)
        return
      case 'notice':
        notice(message.line)
        return
    }
  })
  worker.on('error', (error) => {
    fail(String(error))
  })
  worker.on('exit', () => {
    fail('the snapshot thread ended without an answer')
  })
  const tell = (message: ToSaving): void => {
    worker.postMessage(message)
  }
  return {
    claim: () =>
      free[0] === undefined ? undefined : new Uint8Array(rooms, free[0] * SLICE_BYTES, SLICE_BYTES),
    send: (bytes) => {
      tell({ kind: 'slice', room: free.shift()!, bytes })
    },
    finish: () => {
      tell({ kind: 'finish' })
    },
    abandon: () => {
      isOver = true
      tell({ kind: 'abandon' })
    },
  }
}

/** The digest of a copy of the state, whose memory belongs to the thread from here on. */
export function digestInThread(sections: readonly CoreSection[]): Promise<string> {
  const buffers = new Set(sections.map((section) => section.bytes.buffer))
  const workerData: SnapshotJob = { kind: 'digest', sections }
  return new Promise((resolve, reject) => {
    const worker = new Worker(snapshotThread(), {
      name: 'digest',
      workerData,
      transferList: [...buffers].filter((buffer) => buffer instanceof ArrayBuffer),
    })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the snapshot thread ended without an answer')))
  })
}

function snapshotThread(): string {
  return runtimeEntry(new URL('./snapshot-thread.ts', import.meta.url))
}

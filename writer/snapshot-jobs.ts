/** Hands a copy of the core's state to a thread of its own, which hashes it and writes it to the disk. */
import { Worker } from 'node:worker_threads'
import { runtimeEntry } from '../eventlog/runtime-entry.ts'
import type { Section, Snapshot } from './snapshot-file.ts'

export type SnapshotJob =
  | { readonly kind: 'save'; readonly dataDir: string; readonly snapshot: Snapshot }
  | { readonly kind: 'digest'; readonly sections: readonly Section[] }

export type SnapshotAnswer =
  { readonly kind: 'saved'; readonly file: string } | { readonly kind: 'digested'; readonly digest: string }

/** Writes a snapshot. Its sections' memory belongs to the thread from here on. Rejects if it could not be written. */
export async function saveInThread(dataDir: string, snapshot: Snapshot): Promise<void> {
  await runJob({ kind: 'save', dataDir, snapshot }, snapshot.sections)
}

/** The digest of a copy of the state, likewise. */
export async function digestInThread(sections: readonly Section[]): Promise<string> {
  const answer = await runJob({ kind: 'digest', sections }, sections)
  if (answer.kind !== 'digested') throw new Error('the snapshot thread answered something else')
  return answer.digest
}

function runJob(job: SnapshotJob, sections: readonly Section[]): Promise<SnapshotAnswer> {
  const buffers = new Set(sections.map((section) => section.bytes.buffer))
  return new Promise((resolve, reject) => {
    const worker = new Worker(runtimeEntry(new URL('./snapshot-thread.ts', import.meta.url)), {
      workerData: job,
      transferList: [...buffers].filter((buffer) => buffer instanceof ArrayBuffer),
    })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the snapshot thread ended without an answer')))
  })
}

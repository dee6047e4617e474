/** The short-lived thread that hashes a copy of the core's state, and writes it where asked. Its program ends with its job. */
import { parentPort, workerData } from 'node:worker_threads'
import { nodeDisk } from '../eventlog/file/disk.ts'
import { saveSnapshot } from './snapshot.ts'
import { digestSections } from './state-digest.ts'
import type { SnapshotAnswer, SnapshotJob } from './snapshot-jobs.ts'

function run(job: SnapshotJob): SnapshotAnswer {
  switch (job.kind) {
    case 'save':
      return { kind: 'saved', file: saveSnapshot(nodeDisk, job.dataDir, job.snapshot) }
    case 'digest':
      return { kind: 'digested', digest: digestSections(job.sections) }
  }
}

parentPort?.postMessage(run(workerData as SnapshotJob))

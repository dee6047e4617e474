/**
 * The program of the short-lived thread that hashes the core's state, and writes it where asked (snapshot-jobs.ts). It ends
 * with its job. A write, a sync: whatever waits for the disk waits here.
 */
import os from 'node:os'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { SnapshotSaving } from './snapshot-saving.ts'
import {
  SLICE_BYTES,
  type FromSaving,
  type SaveJob,
  type SnapshotJob,
  type ToSaving,
} from './snapshot-jobs.ts'
import { digestSections } from '../recovery/state-digest.ts'

/** Commits go first where there are fewer processors than threads: so much nicer than they. */
const NICER = 5
const NICENESS_MAX = 19

function run(port: MessagePort, job: SnapshotJob): void {
  // On Linux, and only there, a thread has a priority of its own.
  if (process.platform === 'linux') os.setPriority(Math.min(os.getPriority() + NICER, NICENESS_MAX))
  switch (job.kind) {
    case 'save':
      save(port, job)
      return
    case 'digest':
      port.postMessage(digestSections(job.sections))
      return
  }
}

function save(port: MessagePort, job: SaveJob): void {
  const rooms = new Uint8Array(job.rooms)
  const tell = (message: FromSaving): void => {
    port.postMessage(message)
  }
  const saving = new SnapshotSaving(nodeDisk, job, {
    saved: (fileBytes) => {
      tell({ kind: 'saved', fileBytes })
    },
    failed: (reason) => {
      tell({ kind: 'failed', reason })
    },
    notice: (line) => {
      tell({ kind: 'notice', line })
    },
  })
  port.on('message', (message: ToSaving) => {
    switch (message.kind) {
      case 'slice': {
        const from = message.room * SLICE_BYTES
        saving.append(rooms.subarray(from, from + message.bytes))
        tell({ kind: 'room', room: message.room })
        break
      }
      case 'finish':
        saving.finish()
        break
      case 'abandon':
        saving.abandon()
        break
    }
    if (saving.isOver()) port.close()
  })
  if (saving.isOver()) port.close()
}

if (parentPort !== null) run(parentPort, workerData as SnapshotJob)

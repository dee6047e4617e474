/** The snapshot thread of a simulated writer: it writes slices in their order, each a while after it was sent. */
import type { Disk } from '../../eventlog/disk/disk.ts'
import type { SinkListener, SnapshotSink } from '../../writer/snapshots/snapshot-keeper.ts'
import { SnapshotSaving, type SnapshotSavingStart } from '../../writer/snapshots/snapshot-saving.ts'
import { Channel, type Process } from './threads.ts'

const SLICES = 2

/** @param roomBytes of a slice, at least 64 */
export function simulateSnapshotThread(
  process: Process,
  disk: Disk,
  start: SnapshotSavingStart,
  roomBytes: number,
  listener: SinkListener,
): SnapshotSink {
  const { world } = process
  const toCore = new Channel<() => void>(process, 'snapshot → core', (tell) => {
    tell()
  })
  const toThread = new Channel<() => void>(process, 'core → snapshot', (work) => {
    work()
  })
  const free = Array.from({ length: SLICES }, () => new Uint8Array(roomBytes))
  let saving: SnapshotSaving | undefined
  let isAbandoned = false
  const tell = (told: () => void): void => {
    toCore.post(() => {
      if (!isAbandoned) told()
    })
  }
  toThread.post(() => {
    saving = new SnapshotSaving(disk, start, {
      saved: (fileBytes) => {
        world.cover('snapshot kept')
        tell(() => {
          listener.saved(fileBytes)
        })
      },
      failed: (reason) => {
        world.cover('snapshot not written')
        tell(() => {
          listener.failed(reason)
        })
      },
      notice: (line) => {
        world.trace(line)
      },
    })
  })
  return {
    claim: () => free[0],
    send: (bytes) => {
      const room = free.shift()!
      toThread.post(() => {
        saving!.append(room.subarray(0, bytes))
        toCore.post(() => {
          free.push(room)
          if (!isAbandoned) listener.room()
        })
      })
    },
    finish: () => {
      toThread.post(() => {
        saving!.finish()
      })
    },
    abandon: () => {
      isAbandoned = true
      world.cover('snapshot given up')
      toThread.post(() => {
        saving!.abandon()
      })
    },
  }
}

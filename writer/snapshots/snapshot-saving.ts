/**
 * One snapshot from its first slice until it is durable and older ones are removed: the part of a snapshot that touches the
 * disk, in the snapshot thread and in the simulator alike. A failure is told once; what comes after it is ignored.
 */
import { messageOf } from '../../schemas/errors.ts'
import type { Disk } from '../../eventlog/disk/disk.ts'
import type { SectionLength } from '../core/core.ts'
import type { SnapshotFileWriter } from './snapshot-file.ts'
import type { SnapshotPosition } from './snapshot-format.ts'
import { beginSnapshot, removeOldSnapshots } from './snapshot-folder.ts'

export interface SnapshotSavingStart {
  readonly dataDir: string
  readonly position: SnapshotPosition
  readonly sections: readonly SectionLength[]
  /** Snapshots to keep, this one included: at least 1. */
  readonly kept: number
  /** Sequences of snapshots that were found unusable. */
  readonly unusable: readonly bigint[]
}

export interface SavingListener {
  saved(fileBytes: number): void
  failed(reason: string): void
  /** Takes a line for the operator. */
  notice(line: string): void
}

export class SnapshotSaving {
  private readonly disk: Disk
  private readonly start: SnapshotSavingStart
  private readonly listener: SavingListener
  /** Undefined once it is over. */
  private writer: SnapshotFileWriter | undefined

  constructor(disk: Disk, start: SnapshotSavingStart, listener: SavingListener) {
    this.disk = disk
    this.start = start
    this.listener = listener
    this.attempt(() => {
      this.writer = beginSnapshot(disk, start.dataDir, start.position, start.sections)
    })
  }

  /** True when the snapshot is durable, or was given up. */
  isOver(): boolean {
    return this.writer === undefined
  }

  /** Appends a slice of the section at hand. */
  append(bytes: Uint8Array): void {
    this.attempt(() => this.writer?.append(bytes))
  }

  finish(): void {
    const { writer } = this
    if (writer === undefined) return
    this.attempt(() => {
      writer.finish()
      this.writer = undefined
      this.listener.saved(writer.fileBytes)
      this.removeOld()
    })
  }

  /** Gives up, without telling. */
  abandon(): void {
    const { writer } = this
    this.writer = undefined
    try {
      writer?.abandon()
    } catch {
      // What stays aside is removed at the next start.
    }
  }

  private attempt(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.abandon()
      this.listener.failed(messageOf(error))
    }
  }

  /** Behind a snapshot that is durable: what fails here costs room, and the next snapshot tries again. */
  private removeOld(): void {
    const { dataDir, position, kept, unusable } = this.start
    try {
      removeOldSnapshots(this.disk, dataDir, position.partition, position.sequence, kept, new Set(unusable))
    } catch (error) {
      this.listener.notice(
        `Old snapshots could not be removed: ${messageOf(error)}. They take room, nothing else.`,
      )
    }
  }
}

/** The event log of one partition on files, as the main thread sees it. The log thread delivers each frame when it is durable. */
import type { Frame } from '../../schemas/frames.ts'
import type { EventLog, LogHead } from '../ports.ts'
import { WindowedLog } from '../windowed-log.ts'
import type { Disk } from '../disk/disk.ts'
import { readFramesLater } from './read/reader.ts'

export interface FileEventLogOptions {
  readonly disk: Disk
  /** The data folder. */
  readonly dir: string
  readonly partition: number
  /** Where the log ended when it was opened. */
  readonly head: LogHead
  /** Bytes of frames kept in memory. Default: as of a process's only partition. */
  readonly windowBytesMax?: number
}

export class FileEventLog extends WindowedLog implements EventLog {
  constructor({ disk, dir, ...options }: FileEventLogOptions) {
    super({
      ...options,
      readStored: (from, head) => readFramesLater(disk, dir, options.partition, from, head),
    })
  }

  /** Files are found by sequence. */
  logOffsetOf(): undefined {
    return undefined
  }

  /** Takes the next durable frame. Throws if it does not continue the log: that is broken logic. */
  deliver(frame: Frame): void {
    const judgement = this.take(frame)
    if (judgement.kind === 'void')
      throw new Error(`a frame was delivered that does not continue the log (${judgement.reason})`)
  }

  /** Ends every tail. Reading what is on file stays possible. */
  close(): void {
    this.end()
  }
}

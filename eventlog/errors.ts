/** What can be wrong with a log, each with a code that stays, a sentence, and what to do. None of them is ever retried. */
import { messageOf } from '../schemas/errors.ts'

export type LogErrorCode =
  | 'log_corrupt'
  | 'log_regressed'
  | 'log_folder_in_use'
  | 'log_write_failed'
  | 'log_broken'
  | 'log_closed'
  | 'log_archive_missing'
  | 'log_archive_unfit'
  | 'log_replaced'
  | 'kafka_unreachable'
  | 'kafka_refused'
  | 'kafka_untrusted'
  | 'kafka_offset_gone'
  | 'partitions_differ'
  | 'commands_replaced'
  | 'topics_missing'

export class LogError extends Error {
  override name = 'LogError'
  readonly code: LogErrorCode
  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Where in a log something is: for people and for tools. */
export interface LogLocation {
  /** Segment file. */
  readonly file: string
  readonly byte: number
  /** The sequence that is, or should come, there. */
  readonly sequence: bigint
}

/** Bytes that were durable are wrong. Nothing is cut, nothing is skipped. */
export class LogCorruptError extends LogError {
  override name = 'LogCorruptError'
  /** The first bad place. */
  readonly location: LogLocation
  /** What proves that the bad bytes had been durable: the last sequence known to have been. */
  readonly durableSequence: bigint | undefined
  constructor(location: LogLocation, reason: string, durableSequence?: bigint) {
    super(
      'log_corrupt',
      `The log is corrupt at sequence ${location.sequence}, byte ${location.byte} of ${location.file}: ${reason}. ` +
        (durableSequence === undefined
          ? ''
          : `It had been written safely up to sequence ${durableSequence}, so this is no crash's debris. `) +
        'Nothing was changed. Restore the data folder from a backup, and look at the disk.',
    )
    this.location = location
    this.durableSequence = durableSequence
  }
}

/** The log ends before a position that is known to have been durable: an older copy of it was put back, or a file is gone. */
export class LogRegressedError extends LogError {
  override name = 'LogRegressedError'
  readonly headSequence: bigint
  readonly knownSequence: bigint
  constructor(folder: string, headSequence: bigint, knownSequence: bigint, witness: string) {
    super(
      'log_regressed',
      `The log in ${folder} ends at sequence ${headSequence}, but ${witness} knows it up to sequence ${knownSequence}: ` +
        'it went backwards, or another history stands in its place. Nothing was changed. ' +
        'Put the newest copy of the whole data folder back.',
    )
    this.headSequence = headSequence
    this.knownSequence = knownSequence
  }
}

/** Another process works on the data folder. */
export class LogFolderInUseError extends LogError {
  override name = 'LogFolderInUseError'
  readonly pid: number
  readonly url: string | undefined
  constructor(folder: string, pid: number, url: string | undefined) {
    super(
      'log_folder_in_use',
      `The data folder ${folder} is in use by process ${pid}${url === undefined ? '' : `, which serves ${url}`}. ` +
        'One process works on a folder at a time: stop that one first, or give another folder.',
    )
    this.pid = pid
    this.url = url
  }
}

/** A write or fsync failed: what is on disk is known again only after a restart. */
export class LogWriteFailedError extends LogError {
  override name = 'LogWriteFailedError'
  constructor(what: string, file: string, cause: unknown) {
    super(
      'log_write_failed',
      `${what} failed on ${file}: ${messageOf(cause)}. ` +
        'The process has to end, and nothing is retried: check the disk and its free space, then start again.',
      { cause },
    )
  }
}

/** Events that were archived are asked for, and the archive is not where it was, or does not hold them. */
export class LogArchiveMissingError extends LogError {
  override name = 'LogArchiveMissingError'
  readonly archive: string
  constructor(archive: string, sequence: bigint) {
    super(
      'log_archive_missing',
      `The events from sequence ${sequence > 0n ? sequence : 1n} on were archived, but the archive ${archive} is not there or does not hold ` +
        'them. Mount it, or, if it was moved, say where it is now: purser archive --to FOLDER.',
    )
    this.archive = archive
  }
}

/** A folder that was named as the archive cannot be it. */
export class LogArchiveUnfitError extends LogError {
  override name = 'LogArchiveUnfitError'
  constructor(archive: string, reason: string) {
    super(
      'log_archive_unfit',
      `${archive} cannot be the archive of this log: ${reason}. Nothing more was moved. Name another folder.`,
    )
  }
}

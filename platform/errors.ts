/**
 * What the platform and its roles fail of: one class, with a code that programs may rely on. The sentence says what happened
 * and what to do; an option that it names stands in it as in the options: `host`.
 */

/** Every code, and what it means. Stable. */
export const PLATFORM_ERRORS = {
  usage: 'An option is wrong: a host that is not this machine’s, more partitions than one process takes.',
  folder_in_use: 'Another process works on this data folder.',
  folder_unusable: 'The data folder cannot be made, read or written.',
  partitions_differ: 'There is another number of partitions than asked for.',
  repartition_refused: 'The log cannot be given another number of partitions as it is; `refusal` beside it says why.',
  port_in_use: 'The port is taken by another program.',
  port_unusable: 'The system does not let this user listen on that port.',
  file_unreadable: 'A file to read is missing or unreadable.',
  log_corrupt: 'Bytes in the log are not what was written.',
  log_regressed: 'The log ends before something that is known to have been durable.',
  archive_missing: 'Events that are asked for were archived, and the archive is not where it was.',
  archive_unfit: 'A folder cannot be the archive of this log.',
  views_ahead: 'The views know more than the log: one of the two is not this deployment’s.',
  views_failed: 'The view store could not be started, refuses, or gave up.',
  writer_failed: 'The writer stopped: a failed write, or broken logic.',
  coordinator_failed: 'What carries transfers from partition to partition stopped: broken logic. Nothing is lost: a new start goes on with them.',
  gateway_failed: 'A gateway cannot go on: a log that it reads is not what it was, or cannot be read any more.',
  kafka_unreachable: 'No broker of Kafka answers.',
  kafka_refused: 'Kafka refuses: the user, or what was asked.',
  kafka_untrusted: 'A broker’s certificate is not vouched for, has expired, or is another host’s.',
  topics_unfit: 'The topics are missing, or not such that what is acknowledged is safe.',
  snapshot_store_refused: 'The store of snapshots refuses: the bucket or folder, the credentials, or what was asked.',
  projection_unfit: 'A projection from outside, or the file that holds it, is wrong: file, line and what to do stand in the message.',
  internal: 'A fault of ours.',
} as const satisfies Readonly<Record<string, string>> // prettier-ignore

export type PlatformErrorCode = keyof typeof PLATFORM_ERRORS

export class PlatformError extends Error {
  override readonly name = 'PlatformError'
  readonly code: PlatformErrorCode
  /** What belongs to it, for programs: numbers that were compared, faults of single settings. */
  readonly details: Readonly<Record<string, unknown>>

  /** @param message what happened, then what to do */
  constructor(
    code: PlatformErrorCode,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

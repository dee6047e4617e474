/** What went wrong at the operator's door: a sentence, what to do about it, and a code that scripts may rely on. */

/** Every code that a command can end with, and its exit code: 1 it failed or what it claims does not hold, 2 wrong use. */
export const FAILURE_CODES = {
  /** An argument, an option or an environment variable is wrong. */
  usage: 2,
  /** Another process works on this data folder. */
  folder_in_use: 1,
  /** No platform runs where one was looked for. */
  not_running: 1,
  /** The port is taken by another program. */
  port_in_use: 1,
  /** The system does not let this user listen on that port. */
  port_unusable: 1,
  /** The data folder cannot be made, read or written. */
  folder_unusable: 1,
  /** The data folder has another number of partitions than asked for. */
  partitions_differ: 1,
  /** Bytes in the log are not what was written. */
  log_corrupt: 1,
  /** The log ends before something that is known to have been durable. */
  log_regressed: 1,
  /** Events that are asked for were archived, and the archive is not where it was. */
  archive_missing: 1,
  /** A folder cannot be the archive of this log. */
  archive_unfit: 1,
  /** The views know more than the log: one of the two is not this deployment's. */
  views_ahead: 1,
  /** The writer stopped: a failed write, or broken logic. */
  writer_failed: 1,
  /** A gateway cannot go on: a log that it reads is not what it was, or cannot be read any more. */
  gateway_failed: 1,
  /** The view store could not be started or gave up. */
  views_failed: 1,
  /** A file to read is missing or unreadable. */
  file_unreadable: 1,
  /** A line of a file is wrong. */
  bad_line: 1,
  /** Rows of a file have ids that were imported with other contents before. */
  id_reused: 1,
  /** The platform answered something that this program does not understand, or gave up answering. */
  platform_unavailable: 1,
  /** No broker of Kafka answers. */
  kafka_unreachable: 1,
  /** Kafka refuses: the user, or what was asked. */
  kafka_refused: 1,
  /** A broker's certificate is not vouched for, has expired, or is another host's. */
  kafka_untrusted: 1,
  /** The store of snapshots refuses: the bucket or folder, the credentials, or what was asked. */
  snapshot_store_refused: 1,
  /** The topics are missing, or not such that what is acknowledged is safe. */
  topics_unfit: 1,
  /** What was checked does not hold. */
  proof_failed: 1,
  /** A fault of ours. */
  internal: 1,
} as const satisfies Readonly<Record<string, 1 | 2>>

export type FailureCode = keyof typeof FAILURE_CODES

/** Ends a command with a message for people and a code for programs. Never shown with a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly failureCode: FailureCode
  /** Goes beside code and message in the JSON answer: a report as far as it came, numbers of bad lines. */
  readonly details: Readonly<Record<string, unknown>>

  /**
   * @param message what happened, then what to do
   */
  constructor(
    code: FailureCode,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.failureCode = code
    this.details = details
  }
}

/** The one place where an error becomes what a user sees: a sentence, what to do, a stable code. Never a stack trace. */
import { CommanderError } from 'commander'
import { messageOf } from '../schemas/errors.ts'
import { CommandFailure, FAILURE_CODES, type FailureCode } from './failure.ts'
import type { Output } from './output.ts'
import { describeSystemError } from './system-errors.ts'

/** Codes and reasons that other parts of the platform put on their errors, and what they are called at this door. */
const KNOWN: Readonly<Record<string, FailureCode>> = {
  log_folder_in_use: 'folder_in_use',
  folder_in_use: 'folder_in_use',
  log_corrupt: 'log_corrupt',
  log_regressed: 'log_regressed',
  log_archive_missing: 'archive_missing',
  log_archive_unfit: 'archive_unfit',
  log_write_failed: 'writer_failed',
  log_broken: 'writer_failed',
  log_closed: 'writer_failed',
  kafka_unreachable: 'kafka_unreachable',
  kafka_refused: 'kafka_refused',
  kafka_untrusted: 'kafka_untrusted',
  kafka_offset_gone: 'log_corrupt',
  partitions_differ: 'partitions_differ',
  topics_missing: 'topics_unfit',
  log_replaced: 'topics_unfit',
  commands_replaced: 'topics_unfit',
  snapshot_store_refused: 'snapshot_store_refused',
  broken: 'writer_failed',
  LOG_BEHIND_VIEWS: 'views_ahead',
  CHAIN_BROKEN: 'views_ahead',
  VIEWS_UNAVAILABLE: 'views_failed',
  start_failed: 'views_failed',
  start_timeout: 'views_failed',
}

/** What a ClickHouse server calls it when who asks is not let in, or may not do what was asked. */
const VIEWS_REFUSE: ReadonlySet<unknown> = new Set([
  'ACCESS_DENIED',
  'AUTHENTICATION_FAILED',
  'READONLY',
  'REQUIRED_PASSWORD',
  'SETTING_CONSTRAINT_VIOLATION',
  'UNKNOWN_DATABASE',
  'UNKNOWN_USER',
  'WRONG_PASSWORD',
])

/** @param said as the server says it */
function noDatabase(said: string): string {
  const name = /Database `?([^\s`]+)`? does/.exec(said)?.[1] ?? ''
  return (
    `There is no database ${name} in ClickHouse. Run purser users first: it makes the database, and the users of projectors and ` +
    'gateways. If it was made under another name, say that: --clickhouse-database.'
  ).replace('database  in', 'such database in')
}

export interface FailureReport {
  readonly code: FailureCode
  readonly message: string
  readonly exitCode: number
  readonly details: Readonly<Record<string, unknown>>
}

/** Says what an error means to the user. */
export function describeFailure(error: unknown): FailureReport {
  const { code, message, details } = classify(error)
  return { code, message, exitCode: FAILURE_CODES[code], details: details ?? {} }
}

/**
 * What a part of the platform has failed of, as the failure of the command that ran it.
 * @param otherwise what it is called where it has no name of its own, or only that of some part of the program
 */
export function asFailure(error: unknown, otherwise: FailureCode): CommandFailure {
  const { code, message, details } = classify(error)
  if (code !== 'internal' && code !== 'writer_failed')
    return new CommandFailure(code, message, details, { cause: error })
  const text = messageOf(error)
  return new CommandFailure(otherwise, text, {}, { cause: error })
}

function classify(error: unknown): { code: FailureCode; message: string; details?: Record<string, unknown> } {
  if (error instanceof CommandFailure)
    return { code: error.failureCode, message: error.message, details: { ...error.details } }
  if (error instanceof CommanderError) return { code: 'usage', message: usageSentence(error.message) }
  if (!(error instanceof Error))
    return { code: 'internal', message: `Something unexpected happened: ${String(error)}` }
  const { code, reason } = error as { code?: unknown; reason?: unknown }
  for (const name of [code, reason]) {
    if (typeof name !== 'string') continue
    const known = KNOWN[name]
    if (known !== undefined) return { code: known, message: error.message }
  }
  // What wraps an error of the system (`fetch failed`) says less than that does.
  const system =
    describeSystemError(error) ??
    (error.cause instanceof Error ? describeSystemError(error.cause) : undefined)
  if (system !== undefined) return system
  const { type } = error as { type?: unknown }
  if (VIEWS_REFUSE.has(type)) {
    if (type === 'UNKNOWN_DATABASE') return { code: 'views_failed', message: noDatabase(error.message) }
    const reason = error.message.split('\n', 1)[0]!.replace(/\.?\s*$/, '')
    return {
      code: 'views_failed',
      message: `ClickHouse refused: ${reason}. Check the database, the user, the password, and what this user may do.`,
    }
  }
  return {
    code: 'internal',
    message: `This should not have happened: ${error.message} Please report it with the command that you ran.`,
  }
}

/** Commander's own words as a sentence, with where to look. */
function usageSentence(text: string): string {
  const plain = text
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/[.\s]*$/, '')
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1)}. See: purser --help.`
}

/**
 * Tells the user and says with which code the process has to end. `debug` adds the stack on standard error, for those
 * who work on the platform itself.
 */
export function reportFailure(error: unknown, output: Output, debug: boolean): number {
  const { code, message, exitCode, details } = describeFailure(error)
  if (output.json) output.answer({ ok: false, error: { code, message }, ...details }, '')
  else output.log(`${message} [${code}]`)
  if (debug && error instanceof Error) output.log(error.stack ?? '')
  return exitCode
}

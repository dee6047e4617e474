/** The one place where an error becomes what a user of the command line sees: a sentence, what to do, a stable code. */
import { CommanderError } from 'commander'
import { platformErrorOf } from '../../platform/known-errors.ts'
import { describeConnectionError } from './connection-errors.ts'
import { CommandFailure, exitCodeOf, type FailureCode } from './failure.ts'
import type { Output } from './output.ts'

/** What the platform's sentences call an option, and the flag that gives it here. */
const FLAGS: Readonly<Record<string, string>> = {
  host: '--host',
  url: '--url',
  dataDir: '--data',
  partitions: '--partitions',
  'clickhouse.database': '--clickhouse-database',
}

export interface FailureReport {
  readonly code: FailureCode
  readonly message: string
  readonly exitCode: number
  readonly details: Readonly<Record<string, unknown>>
}

/** Says what an error means to the user. */
export function describeFailure(error: unknown): FailureReport {
  const { code, message, details = {} } = meaningOf(error)
  return { code, message, exitCode: exitCodeOf(code), details }
}

function meaningOf(error: unknown): Pick<FailureReport, 'code' | 'message'> & Partial<FailureReport> {
  if (error instanceof CommandFailure)
    return { code: error.failureCode, message: error.message, details: error.details }
  if (error instanceof CommanderError) return { code: 'usage', message: usageSentence(error.message) }
  const { code, message, details } = platformErrorOf(error)
  if (code !== 'internal') return { code, message: withFlags(message), details }
  const connection = describeConnectionError(error)
  if (connection !== undefined) return { code: 'platform_unavailable', message: connection }
  return { code, message: message.replace(/ Please report it\.$/, ' Please report it with the command that you ran.'), details }
} // prettier-ignore

function withFlags(message: string): string {
  return message.replaceAll(/`([\w.]+)`/g, (quoted, name: string) => FLAGS[name] ?? quoted)
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

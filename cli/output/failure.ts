/** What went wrong at the operator's door: a sentence, what to do about it, and a code that scripts may rely on. */
import { PLATFORM_ERRORS, type PlatformErrorCode } from '../../platform/errors.ts'

/** What a command can end with beside what the platform fails of. */
const COMMAND_FAILURES = {
  not_running: 'No platform runs where one was looked for.',
  bad_line: 'A line of a file is wrong.',
  id_reused: 'Rows of a file have ids that were imported with other contents before.',
  platform_unavailable:
    'The platform answered something that this program does not understand, or gave up answering.',
  proof_failed: 'What was checked does not hold.',
  projection_refused: 'An operation on a projection was refused; `refusal` beside it says for what.',
  projection_stopped: 'A version of a projection that was waited for has stopped, or is gone.',
} as const satisfies Readonly<Record<string, string>>

export type FailureCode = PlatformErrorCode | keyof typeof COMMAND_FAILURES

/** Every code that a command can end with, and what it means. */
export const FAILURES: Readonly<Record<FailureCode, string>> = { ...PLATFORM_ERRORS, ...COMMAND_FAILURES }

/** 1: it failed, or what it claims does not hold. 2: an argument, an option or an environment variable is wrong. */
export function exitCodeOf(code: FailureCode): 1 | 2 {
  return code === 'usage' ? 2 : 1
}

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

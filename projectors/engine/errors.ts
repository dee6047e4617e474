/**
 * Errors as ClickHouse's HTTP interface gives them: `Code: N. DB::Exception: text (TYPE)` as the body, the
 * code in a header, and the status that a server would choose. The client builds its ClickHouseError from
 * the body, so the form matters: see its `parseError`.
 */
import { messageOf } from '../../schemas/errors.ts'

/** The codes that this server gives by itself; the engine's own come through as they are. */
const OWN_CODES = {
  BAD_ARGUMENTS: 36,
  NOT_IMPLEMENTED: 48,
  SYNTAX_ERROR: 62,
  READONLY: 164,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  QUERY_IS_TOO_LARGE: 223,
  NOT_ENOUGH_SPACE: 243,
  TOO_LARGE_SIZE_COMPRESSED: 309,
  QUERY_WAS_CANCELLED: 394,
  TOO_MANY_ROWS_OR_BYTES: 396,
  BAD_QUERY_PARAMETER: 457,
  AUTHENTICATION_FAILED: 516,
  UNKNOWN_EXCEPTION: 1002,
} as const

/** Name of an error that this server gives by itself. */
export type OwnErrorType = keyof typeof OWN_CODES

/** A query that was refused or failed, with ClickHouse's number and name for why. */
export class QueryError extends Error {
  readonly code: number
  readonly type: string

  constructor(code: number, type: string, message: string) {
    super(message)
    this.name = 'QueryError'
    this.code = code
    this.type = type
  }
}

/** Makes an error of this server's own. */
export function queryError(type: OwnErrorType, message: string): QueryError {
  return new QueryError(OWN_CODES[type], type, message)
}

/**
 * Turns whatever a call to the engine threw into a QueryError.
 * The engine writes `Code: 60. DB::Exception: text. (UNKNOWN_TABLE)`, and repeats itself when one error wraps another.
 */
export function fromEngine(error: unknown): QueryError {
  if (error instanceof QueryError) return error
  const text = messageOf(error)
  const match = /^Code: (\d+)\. DB::(?:[A-Za-z:]*)Exception: ([\s\S]*)$/.exec(text)
  if (!match) return queryError('UNKNOWN_EXCEPTION', text)
  const types = [...text.matchAll(/\(((?=[A-Z0-9_]*[A-Z]{3})[A-Z0-9_]+)\)/g)]
  // A body lies in a file that the sender knows nothing of.
  const message = match[2]!.replace(/\(in file\/uri [^)]*\)/g, '(in the request body)')
  return new QueryError(Number(match[1]), types.at(-1)?.[1] ?? 'UNKNOWN_EXCEPTION', message)
}

/** The body that the client turns back into an error with code and type. */
export function errorBody(error: QueryError): string {
  const suffix = error.message.includes(`(${error.type})`) ? '' : ` (${error.type})`
  return `Code: ${error.code}. DB::Exception: ${error.message}${suffix}\n`
}

const STATUS_BY_TYPE: Readonly<Record<string, number>> = {
  AUTHENTICATION_FAILED: 403,
  READONLY: 403,
  QUERY_IS_TOO_LARGE: 413,
  TOO_LARGE_SIZE_COMPRESSED: 413,
  NOT_IMPLEMENTED: 501,
  TOO_MANY_SIMULTANEOUS_QUERIES: 503,
  NOT_ENOUGH_SPACE: 507,
  TIMEOUT_EXCEEDED: 408,
}

const BAD_REQUEST =
  /^(BAD_|CANNOT_PARSE|SYNTAX_ERROR|INCORRECT_|TYPE_MISMATCH|ILLEGAL_|NUMBER_OF_|ARGUMENT_OUT|VALUE_IS_OUT|CANNOT_READ_ALL_DATA|UNKNOWN_QUERY_PARAMETER|TOO_MANY_ROWS)/
const NOT_FOUND =
  /^UNKNOWN_(TABLE|FUNCTION|IDENTIFIER|TYPE|STORAGE|DATABASE|SETTING|FORMAT|AGGREGATE_FUNCTION|TYPE_OF_QUERY|ELEMENT_IN_AST)$/

/** The status that a ClickHouse server would answer with; 500 where it says nothing more precise. */
export function statusOf(error: QueryError): number {
  const status = STATUS_BY_TYPE[error.type]
  if (status !== undefined) return status
  if (NOT_FOUND.test(error.type)) return 404
  return BAD_REQUEST.test(error.type) ? 400 : 500
}

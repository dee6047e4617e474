/** The closed list of codes that an answer's `extensions.code` can have, and how an error becomes an answer. */
import { GraphQLError, type GraphQLErrorOptions } from 'graphql'

/**
 * What each code means for the caller: whether the same request may be sent again as it is, and the HTTP status of
 * doors other than GraphQL.
 */
const CODES = {
  /** A value is wrong; `extensions.field` names it. */
  BAD_USER_INPUT: { retryable: false, status: 400 },
  GRAPHQL_PARSE_FAILED: { retryable: false, status: 400 },
  GRAPHQL_VALIDATION_FAILED: { retryable: false, status: 400 },
  /** The operation is deeper, wider or costlier than allowed. */
  OPERATION_TOO_COMPLEX: { retryable: false, status: 400 },
  /** This door does not take such a request: method, content type, JSON. */
  BAD_REQUEST: { retryable: false, status: 400 },
  UNAUTHENTICATED: { retryable: false, status: 401 },
  FORBIDDEN: { retryable: false, status: 403 },
  NOT_FOUND: { retryable: false, status: 404 },
  METHOD_NOT_ALLOWED: { retryable: false, status: 405 },
  /** This door answers in none of the media types that `Accept` names. */
  NOT_ACCEPTABLE: { retryable: false, status: 406 },
  REQUEST_TOO_LARGE: { retryable: false, status: 413 },
  /** `Expect` asks for something that this server does not do. */
  EXPECTATION_FAILED: { retryable: false, status: 417 },
  UNSUPPORTED_MEDIA_TYPE: { retryable: false, status: 415 },
  /** `Host` names another server: see hosts.ts. */
  MISDIRECTED_REQUEST: { retryable: false, status: 421 },
  /** The accounts live in different partitions; nothing happened. */
  CROSS_PARTITION: { retryable: false, status: 409 },
  /** The log does not reach this position; `extensions.position` says how far it goes. */
  POSITION_AHEAD: { retryable: false, status: 409 },
  /** The views do not include the wanted position yet; nothing happened. */
  NOT_YET: { retryable: true, status: 503 },
  /** The command queue (or another bound) is full; nothing happened. */
  BUSY: { retryable: true, status: 429 },
  /** The command was taken, and its outcome did not come in time. Send it again with the same id. */
  OUTCOME_UNKNOWN: { retryable: true, status: 503 },
  /** No writer decided the command, and none will. Nothing happened. Send it again with the same id. */
  NOT_DECIDED: { retryable: true, status: 503 },
  /** The time inside an id lies too far ahead. Nothing happened, and the id counts once its time has come. */
  ID_IN_FUTURE: { retryable: true, status: 409 },
  /** The subscriber read too slowly; `extensions.position` says where to resume. */
  SUBSCRIPTION_LAGGED: { retryable: true, status: 503 },
  SERVICE_DRAINING: { retryable: true, status: 503 },
  WRITER_STOPPED: { retryable: true, status: 503 },
  VIEWS_UNAVAILABLE: { retryable: true, status: 503 },
  /** A bug of ours; `extensions.correlationId` finds it in the log. */
  INTERNAL: { retryable: false, status: 500 },
} as const satisfies Readonly<Record<string, { readonly retryable: boolean; readonly status: number }>>

export type ErrorCode = keyof typeof CODES
export const ERROR_CODES = Object.keys(CODES) as readonly ErrorCode[]

export function isRetryable(code: ErrorCode): boolean {
  return CODES[code].retryable
}

export function httpStatusOf(code: ErrorCode): number {
  return CODES[code].status
}

/** An error as an answer. Every door turns it into its own form. */
export type Fault = GraphQLError

/** Makes an error that callers may see. `details` stand beside `code` and `retryable` in `extensions`. */
export function fault(
  code: ErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  options: GraphQLErrorOptions = {},
): Fault {
  return new GraphQLError(message, {
    ...options,
    extensions: { code, retryable: CODES[code].retryable, ...details },
  })
}

/** The error of a wrong value: which field, and why. */
export function badInput(field: string | undefined, message: string): Fault {
  return fault('BAD_USER_INPUT', message, field === undefined ? {} : { field })
}

/** The code of an error that `fault` made; undefined for any other. */
export function codeOf(error: unknown): ErrorCode | undefined {
  const code = error instanceof GraphQLError ? error.extensions['code'] : undefined
  return typeof code === 'string' && code in CODES ? (code as ErrorCode) : undefined
}

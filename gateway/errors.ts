/** The closed list of codes that an answer's `extensions.code` can carry, and how an error becomes an answer. */
import { GraphQLError, type GraphQLErrorOptions } from 'graphql'

/**
 * What each code means for the caller: may the same request be sent again as it is, and with which HTTP status a plain
 * (non-GraphQL) door answers it.
 */
const CODES = {
  /** A value is wrong; `extensions.field` names it. */
  BAD_USER_INPUT: { retryable: false, status: 400 },
  GRAPHQL_PARSE_FAILED: { retryable: false, status: 400 },
  GRAPHQL_VALIDATION_FAILED: { retryable: false, status: 400 },
  /** The operation is deeper, wider or costlier than allowed. */
  OPERATION_TOO_COMPLEX: { retryable: false, status: 400 },
  /** The request itself is not one that this door takes: method, content type, JSON. */
  BAD_REQUEST: { retryable: false, status: 400 },
  UNAUTHENTICATED: { retryable: false, status: 401 },
  FORBIDDEN: { retryable: false, status: 403 },
  NOT_FOUND: { retryable: false, status: 404 },
  METHOD_NOT_ALLOWED: { retryable: false, status: 405 },
  /** None of the media types that `Accept` names is one that this door answers with. */
  NOT_ACCEPTABLE: { retryable: false, status: 406 },
  REQUEST_TOO_LARGE: { retryable: false, status: 413 },
  /** `Expect` wants something that no server here does. */
  EXPECTATION_FAILED: { retryable: false, status: 417 },
  UNSUPPORTED_MEDIA_TYPE: { retryable: false, status: 415 },
  /** `Host` names a server that this one is not: see hosts.ts. */
  MISDIRECTED_REQUEST: { retryable: false, status: 421 },
  /** The accounts live in different partitions; nothing happened. */
  CROSS_PARTITION: { retryable: false, status: 409 },
  /** The log has nothing at this place; `extensions.position` says how much of it there is. */
  POSITION_AHEAD: { retryable: false, status: 409 },
  /** The views do not include the wanted position yet; nothing happened. */
  NOT_YET: { retryable: true, status: 503 },
  /** The command queue (or another bound) is full; nothing happened. */
  BUSY: { retryable: true, status: 429 },
  /** The command was taken, and its outcome is not known in time: send it again with the same id. */
  OUTCOME_UNKNOWN: { retryable: true, status: 503 },
  /** No writer decided the command, and none will: nothing happened. Send it again with the same id. */
  NOT_DECIDED: { retryable: true, status: 503 },
  /** The time inside an id lies too far ahead: nothing happened, and the id counts once its time has come. */
  ID_IN_FUTURE: { retryable: true, status: 409 },
  /** The subscriber read too slowly; `extensions.position` says where to resume. */
  SUBSCRIPTION_LAGGED: { retryable: true, status: 503 },
  SERVICE_DRAINING: { retryable: true, status: 503 },
  WRITER_STOPPED: { retryable: true, status: 503 },
  VIEWS_UNAVAILABLE: { retryable: true, status: 503 },
  /** A fault of ours; `extensions.correlationId` finds it in the log. */
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

/** An answer that is an error: every door turns it into its own form. */
export type Fault = GraphQLError

/** Makes an error that callers are meant to see. `details` stand beside `code` and `retryable` in `extensions`. */
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

/** A value is wrong: which field, and why. */
export function badInput(field: string | undefined, message: string): Fault {
  return fault('BAD_USER_INPUT', message, field === undefined ? {} : { field })
}

/** The code of an error that was made here, or undefined for anything else. */
export function codeOf(error: unknown): ErrorCode | undefined {
  const code = error instanceof GraphQLError ? error.extensions['code'] : undefined
  return typeof code === 'string' && code in CODES ? (code as ErrorCode) : undefined
}

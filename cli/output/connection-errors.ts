/** A connection to a platform that is not there, or not any more, as a sentence. */

const NO_ANSWER = 'Nothing answers at that address. Is the platform running?'
const CUT_OFF = 'The connection was cut off. Is the platform running? Try again.'

const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: NO_ANSWER,
  EHOSTUNREACH: NO_ANSWER,
  ENETUNREACH: NO_ANSWER,
  ETIMEDOUT: NO_ANSWER,
  ECONNRESET: CUT_OFF,
  EPIPE: CUT_OFF,
}

/**
 * Says what an error of the system, or one that wraps it (`fetch failed`), means to who wanted to connect.
 * @returns undefined for every other error
 */
export function describeConnectionError(error: unknown): string | undefined {
  return sentenceOf(error) ?? (error instanceof Error ? sentenceOf(error.cause) : undefined)
}

function sentenceOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && Object.hasOwn(SENTENCES, code) ? SENTENCES[code] : undefined
}

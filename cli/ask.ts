/** One request to a platform over HTTP: its answer as JSON, or why there is none. */
import { CommandFailure } from './output/failure.ts'
import { messageOf } from '../schemas/errors.ts'

/**
 * @param url the platform's origin
 * @param waitMs how long the answer may take
 * @throws CommandFailure `platform_unavailable` with what is there in its place
 */
export async function askPlatform(
  url: string,
  path: string,
  waitMs: number,
  request: RequestInit = {},
): Promise<unknown> {
  try {
    const response = await fetch(`${url}${path}`, { ...request, signal: AbortSignal.timeout(waitMs) })
    return await response.json()
  } catch (error) {
    const why = whyNot(url, waitMs, error)
    throw new CommandFailure('platform_unavailable', `${why} Check --url, and that the platform runs.`)
  }
}

function whyNot(url: string, waitMs: number, error: unknown): string {
  if (error instanceof SyntaxError) return `What answers at ${url} is no platform.`
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return `${url} takes connections and does not answer within ${waitMs / 1_000} s.`
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  // The fetch standard forbids ports of other services, such as 25 and 6667.
  if (cause instanceof Error && cause.message === 'bad port')
    return `No platform is reached at ${url}: this port is kept for another service.`
  return `No platform answers at ${url}: ${messageOf(cause)}.`
}

/** Back-pressure seen from the client: wait as long as the platform says, within a bound, and send the same again. */
import { CommandFailure } from '../failure.ts'

/** How long a request is repeated before its sender gives up, in ms. */
export const PATIENCE_MS = 120_000
const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 5_000
/** Longest wait for one answer, in ms. */
const ANSWER_MS_MAX = 60_000

/** Statuses after which the same request may be sent again. */
const PASSING = new Set([429, 502, 503, 504])

/**
 * Sends JSON and returns the parsed answer. Repeats while the platform is busy, starting, or out of reach; every request of
 * an import may be repeated, because each command carries an id.
 * @throws CommandFailure `platform_unavailable`
 */
export async function postJson(url: string, body: string, patienceMs = PATIENCE_MS): Promise<unknown> {
  const deadline = performance.now() + patienceMs
  for (let attempt = 0; ; attempt++) {
    const answer = await attemptPost(url, body)
    if (answer.kind === 'answer') return answer.json
    const pauseMs = answer.retryAfterMs ?? Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** attempt)
    if (answer.kind === 'refused' || performance.now() + pauseMs > deadline)
      throw new CommandFailure(
        'platform_unavailable',
        `The platform at ${new URL(url).origin} ${answer.reason}. Run the same import again when it is well: it goes on where it was.`,
      )
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
} // prettier-ignore

type Attempt =
  | { readonly kind: 'answer'; readonly json: unknown }
  | {
      readonly kind: 'passing' | 'refused'
      readonly reason: string
      readonly retryAfterMs?: number | undefined
    }

async function attemptPost(url: string, body: string): Promise<Attempt> {
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    })
    text = await response.text()
  } catch (error) {
    return { kind: 'passing', reason: `does not answer (${causeOf(error)})` }
  }
  const reason = `answered with status ${response.status}: ${text.slice(0, 300)}`
  if (PASSING.has(response.status))
    return { kind: 'passing', reason, retryAfterMs: retryAfterMs(response.headers.get('retry-after')) }
  if (!response.ok) return { kind: 'refused', reason }
  try {
    return { kind: 'answer', json: JSON.parse(text) as unknown }
  } catch {
    return { kind: 'refused', reason: 'answered something that is not JSON' }
  }
}

/** `Retry-After` in whole seconds (RFC 9110, section 10.2.3); the form with a date is not used here. */
function retryAfterMs(header: string | null): number | undefined {
  return header !== null && /^\d{1,3}$/.test(header)
    ? Math.min(PAUSE_MS_MAX, Number(header) * 1_000)
    : undefined
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}

/** Back-pressure seen from the client: wait as long as the platform says, within a bound, and send the same again. */
import { CommandFailure } from '../output/failure.ts'

/** How long a request is repeated before its sender gives up, in ms. */
export const PATIENCE_MS = 120_000
const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 5_000
/** Longest wait for one answer, in ms. */
const ANSWER_MS_MAX = 60_000
/** After so long without an answer a person is told what is waited for, in ms. */
const TOLD_AFTER_MS = 2_000

/** Statuses after which the same request may be sent again. */
const PASSING = new Set([429, 502, 503, 504])

/** Whoever waits says so: once for each time that something is waited for. */
export class RetryBudget {
  readonly #url: string
  readonly #log: (line: string) => void
  readonly #sinceMs = performance.now()
  #isTold = false

  /** @param log gets a sentence for people */
  constructor(url: string, log: (line: string) => void) {
    this.#url = url
    this.#log = log
  }

  /** Called with each failed attempt. @returns true where it has been patient for long enough */
  isOver(reason: string): boolean {
    const waitedMs = performance.now() - this.#sinceMs
    if (!this.#isTold && waitedMs > TOLD_AFTER_MS) {
      this.#isTold = true
      this.#log(
        `Waiting for the platform at ${this.#url}, for two minutes at most: it ${reason.slice(0, 200)}.`,
      )
    }
    return waitedMs > PATIENCE_MS
  }
}

/**
 * Asks for JSON, or sends some, and returns the parsed answer. Repeats while the platform is busy, starting, or out of reach;
 * every request of an import may be repeated.
 * @param url whole
 * @param body undefined: a GET
 * @throws CommandFailure `platform_unavailable`
 */
export async function askJson(url: string, body: string | undefined, log: (line: string) => void): Promise<unknown> {
  const { origin } = new URL(url)
  const waiting = new RetryBudget(origin, log)
  for (let attempt = 0; ; attempt++) {
    const answer = await attemptAsk(url, body)
    if (answer.kind === 'answer') return answer.json
    if (answer.kind === 'refused' || waiting.isOver(answer.reason))
      throw new CommandFailure(
        'platform_unavailable',
        `The platform at ${origin} ${answer.reason}. Run the same import again when it is well: it goes on where it was.`,
      )
    const pauseMs = answer.retryAfterMs ?? Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** attempt)
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

async function attemptAsk(url: string, body: string | undefined): Promise<Attempt> {
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
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

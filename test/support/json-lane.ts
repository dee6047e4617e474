/** The JSON form of the bulk lane as a client sees it: commands in one request, a result per command. */
import { z } from 'zod'
import { CommandFailure } from '../../cli/output/failure.ts'
import { askJson } from '../../cli/import/retry.ts'

/** One command as the lane takes it: docs/bulk-lane.md. */
export type LaneCommand = Readonly<Record<string, string | number | boolean>>

/** What became of one command. */
export type LaneResult =
  | { readonly kind: 'accepted'; readonly replayed: boolean }
  | { readonly kind: 'refused'; readonly code: string }
  /** The command is wrong as it stands: never an event. */
  | { readonly kind: 'wrong'; readonly message: string }

const answerSchema = z.object({
  position: z.string(),
  results: z.array(
    z.object({
      status: z.enum(['accepted', 'refused', 'error']),
      replayed: z.boolean().optional(),
      code: z.string().optional(),
      message: z.string().optional(),
      retryable: z.boolean().optional(),
    }),
  ),
})
type Answered = z.infer<typeof answerSchema>['results'][number]

/** UTF-8 bytes of one request's body; the lane takes 8 MiB. */
const BODY_BYTES_MAX = 4 * 1024 * 1024
/** Times that a request is repeated because outcomes in it are not known yet. */
const UNKNOWN_REPEATS_MAX = 20
const UNKNOWN_PAUSE_MS = 250

/**
 * Sends commands in order and returns what became of each. Waits while the platform is busy; repeats a request of which an
 * outcome is not known, with the same ids.
 * @param reached gets the position of each answer: a read after it sees every command of the request
 * @throws CommandFailure `platform_unavailable`
 */
export async function sendCommands(
  url: string,
  commands: readonly LaneCommand[],
  reached: (position: string) => void,
): Promise<LaneResult[]> {
  const results: LaneResult[] = []
  for (const request of intoRequests(commands)) results.push(...(await sendRequest(url, request, reached)))
  return results
}

async function sendRequest(
  url: string,
  request: readonly string[],
  reached: (position: string) => void,
): Promise<LaneResult[]> {
  const body = `{"commands":[${request.join(',')}]}`
  const settled = new Array<LaneResult | undefined>(request.length).fill(undefined)
  for (let repeat = 0; repeat < UNKNOWN_REPEATS_MAX; repeat++) {
    const answer = answerSchema.safeParse(await askJson(`${url}/commands`, body, () => undefined))
    if (!answer.success || answer.data.results.length !== request.length) throw notUnderstood(url)
    reached(answer.data.position)
    // What an earlier answer said stands: by now the same command would only be called a repeat.
    answer.data.results.forEach((result, index) => (settled[index] ??= toResult(result)))
    if (settled.every((result) => result !== undefined)) return settled
    await new Promise((resolve) => setTimeout(resolve, UNKNOWN_PAUSE_MS))
  }
  throw new CommandFailure(
    'platform_unavailable',
    `The platform at ${url} does not say what became of some commands. Run the same import again: it goes on where it was.`,
  )
}

/** Undefined where the outcome is not known yet. */
function toResult(result: Answered): LaneResult | undefined {
  switch (result.status) {
    case 'accepted':
      return { kind: 'accepted', replayed: result.replayed === true }
    case 'refused':
      return { kind: 'refused', code: result.code ?? 'unknown' }
    case 'error':
      // Whose clock runs ahead would have to wait for too long.
      return result.retryable === true && result.code !== 'ID_IN_FUTURE' ? undefined : { kind: 'wrong', message: result.message ?? 'refused by the platform' }
  }
} // prettier-ignore

/** Commands as JSON texts, in requests that stay below the lane's bounds. Linked commands stay in one request. */
function* intoRequests(commands: readonly LaneCommand[]): Generator<string[]> {
  let request: string[] = []
  let bytes = 0
  let mayCut = true
  for (const command of commands) {
    const text = JSON.stringify(command)
    const textBytes = Buffer.byteLength(text) + 1
    if (mayCut && bytes + textBytes > BODY_BYTES_MAX && request.length > 0) {
      yield request
      request = []
      bytes = 0
    }
    request.push(text)
    bytes += textBytes
    mayCut = command['linked'] !== true
  }
  if (request.length > 0) yield request
}

function notUnderstood(url: string): CommandFailure {
  return new CommandFailure(
    'platform_unavailable',
    `What answers at ${url} is no platform of this version. Check --url, and that both sides are of one version.`,
  )
}

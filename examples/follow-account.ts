/** Following an account through lost connections: the example of docs/subscriptions.md. */
import { createClient } from 'graphql-ws'
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'

export interface Entry {
  readonly kind: string
  readonly version: string
  readonly position: string
}

interface Result {
  readonly data?: { readonly accountActivity: Entry } | null
  readonly errors?: readonly GraphqlError[]
}
interface GraphqlError {
  readonly message: string
  readonly extensions: { readonly code: string; readonly retryable: boolean; readonly position?: string }
}

const ACTIVITY = `subscription ($accountId: UUID!, $after: Position) {
  accountActivity(accountId: $accountId, after: $after) { kind version position }
}`
const WAIT_MS_MAX = 5_000

/**
 * Every entry of an account behind a position, each once, for as long as the caller goes on reading.
 * @param url of the platform: `http://127.0.0.1:4000`
 * @param after the position of what the caller has, from a balance, a page of history, or an entry of before
 */
export async function* followAccount(
  url: string,
  accountId: string,
  after: string,
): AsyncGenerator<Entry, void, undefined> {
  let position = after
  for (let failures = 0; ; failures++) {
    // No retries of the client's own: they would send the first variables again, and with them the first position.
    const client = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    })
    let problems: readonly GraphqlError[] = []
    try {
      // A fresh operation each time, behind the last entry that has arrived.
      const results = client.iterate({ query: ACTIVITY, variables: { accountId, after: position } })
      for await (const { data, errors } of results as AsyncIterable<Result>) {
        if (errors !== undefined) problems = errors
        if (!data) continue
        position = data.accountActivity.position
        failures = 0
        yield data.accountActivity
      }
    } catch (error) {
      // Errors of the operation come as a list; anything else is a connection that was lost, or is not there yet.
      if (Array.isArray(error)) problems = error as GraphqlError[]
    } finally {
      // Also when the caller stops reading.
      void client.dispose()
    }
    if (problems.length > 0) position = resumeBehind(problems, position)
    // By chance, so that all who lost their connection do not come back at once.
    await sleep(Math.random() * Math.min(WAIT_MS_MAX, 100 * 2 ** failures))
  }
}

/** Where to go on: a subscriber that was too slow is told. What asking again does not help is thrown. */
function resumeBehind([error]: readonly GraphqlError[], position: string): string {
  if (error?.extensions.retryable !== true) throw new Error(error?.message ?? 'no reason given')
  return error.extensions.position ?? position
}

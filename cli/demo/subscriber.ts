/** A subscriber as an app has one: graphql-ws's own client over a WebSocket. */
import { createClient, type Client } from 'graphql-ws'
import WebSocket from 'ws'
import { CommandFailure } from '../output/failure.ts'

const ARRIVAL_MS_MAX = 10_000

/** Items of one subscription, in the order of their arrival. */
export interface Subscription<Item> {
  readonly items: readonly Item[]
  /** Waits until so many have arrived. @throws CommandFailure if they do not in time */
  arrived(count: number): Promise<readonly Item[]>
}

export function connect(url: string): Client {
  return createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
}

/**
 * Subscribes.
 * @param field root field whose value each item is
 */
export function subscribe<Item>(
  client: Client,
  query: string,
  variables: Record<string, unknown>,
  field: string,
): Subscription<Item> {
  const items: Item[] = []
  let failure: string | undefined
  let wake: () => void = () => undefined
  client.subscribe<Record<string, Item>>(
    { query, variables },
    {
      next: ({ data, errors }) => {
        if (data?.[field] !== undefined) items.push(data[field])
        if (errors !== undefined) failure = errors.map(({ message }) => message).join('; ')
        wake()
      },
      error: (error) => {
        failure = error instanceof Error ? error.message : JSON.stringify(error)
        wake()
      },
      complete: () => undefined,
    },
  )
  const arrived = async (count: number): Promise<readonly Item[]> => {
    const deadline = performance.now() + ARRIVAL_MS_MAX
    while (items.length < count && failure === undefined && performance.now() < deadline)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - performance.now())
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    if (items.length < count)
      throw new CommandFailure('proof_failed', `A subscriber got ${items.length} of ${count} items. ${failure ?? 'The rest did not arrive in time.'}`)
    return items
  }
  return { items, arrived }
} // prettier-ignore

/**
 * Server-sent events: streams an operation's results, no faster than the reader takes them (graphql-sse, distinct
 * connections).
 */
import type { ExecutionResult } from 'graphql'
import type { ServerResponse } from 'node:http'
import type { MemoryShare, SubscriberMemory } from '../../live/subscriber-memory.ts'

export interface EventsOptions {
  readonly memory: SubscriberMemory
  /** A reader that leaves an event unread for longer is cut, in ms. */
  readonly sendMs: number
  readonly textOf: (result: ExecutionResult) => string
  /** The last event of a stream that failed. */
  readonly failureOf: (error: unknown) => string
}

/** Proxies drop a connection that is silent for long. */
const PING_EVERY_MS = 12_000
const COMMENT = ':\n\n'

/**
 * Streams results until they end or the reader leaves. Never throws: a failure becomes the last event of the stream.
 */
export async function sendEvents(
  response: ServerResponse,
  results: AsyncIterable<ExecutionResult>,
  options: EventsOptions,
): Promise<void> {
  const iterator = results[Symbol.asyncIterator]()
  const share = options.memory.join(() => response.destroy())
  const ping = setInterval(() => {
    if (response.writableLength === 0) response.write(COMMENT)
  }, PING_EVERY_MS).unref()
  let open = true
  const release = (): void => {
    if (!open) return
    open = false
    clearInterval(ping)
    share.close()
    // The iterator releases what it holds at once, even while it waits for its next item.
    void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
  response.once('close', release)
  response.on('error', () => undefined)
  if (response.destroyed) return release()
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
  })
  // Some browsers do not open a stream until its head is followed by a first byte.
  response.write(COMMENT)
  try {
    for (;;) {
      const next = await iterator.next()
      if (response.destroyed) return
      if (next.done === true) break
      if (!(await written(response, share, eventOf(options.textOf(next.value)), options))) return
    }
  } catch (error) {
    if (response.destroyed) return
    response.write(eventOf(options.failureOf(error)))
  }
  response.end('event: complete\ndata:\n\n')
}

/** Our JSON holds no line ends, so it is one `data` line. */
function eventOf(json: string): string {
  return `event: next\ndata: ${json}\n\n`
}

/**
 * Writes an event and waits until it has left this process. Returns false if the reader has left, or was cut because it
 * did not read.
 */
async function written(
  response: ServerResponse,
  share: MemoryShare,
  event: string,
  { sendMs }: EventsOptions,
): Promise<boolean> {
  const bytes = Buffer.byteLength(event)
  share.add(bytes)
  const isWritten = await new Promise<boolean>((resolve) => {
    const late = setTimeout(() => response.destroy(), sendMs).unref()
    const settle = (isSent: boolean): void => {
      clearTimeout(late)
      response.off('close', onClose)
      resolve(isSent)
    }
    const onClose = (): void => settle(false)
    response.once('close', onClose)
    response.write(event, (error) => settle(error === undefined || error === null))
  })
  share.remove(bytes)
  return isWritten && !response.destroyed
}

/** Asked before any work begins: does a platform answer there, and can this machine serve at that address? */
import { createServer } from 'node:net'
import { askPlatform } from './ask.ts'
import { CommandFailure } from './output/failure.ts'

/** A platform answers `/livez` within milliseconds, whatever it does; whoever mistyped an address wants to know soon. */
const ANSWER_MS_MAX = 3_000

/**
 * Makes sure that a platform answers at an address.
 * @param url its origin
 * @throws CommandFailure `platform_unavailable` with what is there in its place
 */
export async function requirePlatform(url: string): Promise<void> {
  const answer = await askPlatform(url, '/livez', ANSWER_MS_MAX, { redirect: 'manual' })
  if (typeof answer === 'object' && answer !== null && 'status' in answer && answer.status === 'live') return
  throw new CommandFailure(
    'platform_unavailable',
    `What answers at ${url} is no platform of this kind${whatItSaid(answer)}. Check --url.`,
  )
}

/** A platform that does not know this caller's name for it says so, and what to do. */
function whatItSaid(answer: unknown): string {
  const { error } = (answer ?? {}) as { error?: { message?: unknown } }
  return typeof error?.message === 'string'
    ? `, or will not serve us: ${error.message.replace(/\.$/, '')}`
    : ''
}

/**
 * Makes sure that this process may listen there, before a start that may take long. Whoever takes the port in between is
 * told of later, as before.
 * @param port 0 takes a free one
 * @throws the system's error where it may not
 */
export async function requireAddress(host: string, port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
}

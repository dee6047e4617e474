/** An older copy of the data folder, or of a part of it, put back. */
import { cpSync, existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { graphql } from '../../cli/graphql-client.ts'
import { expectOnce, knowNothing, openAccounts, resend, startLoad, type Known } from '../support/load.ts'
import { onlyJson, purser, startServer, withFolder } from '../support/purser.ts'

/** A data folder and an older copy of it; `known` is what clients know by now, `knownThen` what they knew then. */
interface Story {
  readonly data: string
  readonly copy: string
  readonly known: Known
  readonly knownThen: readonly string[]
  /** Where the log ended, as a client holds it: then and by now. */
  readonly positions: readonly [then: string, now: string]
}

async function withStory(work: (story: Story) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const [data, copy] = [path.join(folder, 'data'), path.join(folder, 'copy')]
    const known = knowNothing()
    const then = await run(data, known)
    cpSync(data, copy, { recursive: true })
    const knownThen = [...known.acknowledged]
    const now = await run(data, known)
    await work({ data, copy, known, knownThen, positions: [then, now] })
  })
}

async function run(data: string, known: Known): Promise<string> {
  const server = await startServer(data)
  await openAccounts(server.url)
  const load = startLoad(server.url, known)
  await load.acknowledged(100)
  await load.end()
  const position = await newestPosition(server.url)
  await server.stop()
  return position
}

async function newestPosition(url: string): Promise<string> {
  const { projections } = await graphql<{ projections: { head: string }[] }>(url, '{ projections { head } }')
  return projections[0]!.head
}

/** The code with which a read "after" a position fails; undefined: it does not. */
async function codeAfter(url: string, position: string): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: `{ audit(after: "${position}") { hasMore } }` }),
  })
  const { errors } = (await response.json()) as { errors?: { extensions: { code: unknown } }[] }
  return errors?.[0]?.extensions.code
}

/** Puts the older copy of some parts of the data folder back. */
function putBack({ data, copy }: Story, parts: readonly string[]): void {
  for (const part of parts) {
    rmSync(path.join(data, part), { recursive: true, force: true })
    if (existsSync(path.join(copy, part)))
      cpSync(path.join(copy, part), path.join(data, part), { recursive: true })
  }
}

async function expectRefused(data: string, code: string): Promise<string> {
  const refused = await purser('start', '--data', data, '--port', '0', '--json', '--engine-memory', '512')
  expect(refused.exitCode).toBe(1)
  const { error } = onlyJson(refused.stdout) as { error: { code: string; message: string } }
  expect(error.code).toBe(code)
  return error.message
}

test('an older copy of the log beside newer views and snapshots is refused with both positions [J11]', () =>
  withStory(async (story) => {
    const { data } = story
    putBack(story, ['log'])
    const message = await expectRefused(data, 'log_regressed')
    // Opening the accounts made two events, and opening them again two refusals.
    const then = story.knownThen.length + 2
    const now = story.known.acknowledged.length + 4
    expect(message).toContain(`ends at sequence ${then}`)
    expect(message).toContain(`sequence ${now}`)
    // Nor do views alone let it pass: they know as much.
    putBack(story, ['log', 'snapshots'])
    expect(await expectRefused(data, 'log_regressed')).toContain(`sequence ${now}`)
  }))

test('an older copy of the whole data folder cannot be told from the newest: what clients send again takes effect once [J11]', () =>
  withStory(async (story) => {
    putBack(story, ['log', 'snapshots', 'views', 'lock'])
    const server = await startServer(story.data)
    const { known, knownThen, positions } = story
    // The same deployment by its tokens, of which only those from the time lost are not in this log.
    expect(await codeAfter(server.url, positions[0])).toBeUndefined()
    expect(await codeAfter(server.url, positions[1])).toBe('POSITION_AHEAD')
    const lost = known.acknowledged.splice(knownThen.length)
    await expectOnce(server.url, known)
    for (const id of lost) known.open.add(id)
    await resend(server.url, known)
    await expectOnce(server.url, known)
    await server.stop()
  }))

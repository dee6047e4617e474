import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeEvent } from '../../../schemas/encode-event.ts'
import { authorFiles, doingAtFive, ODD, type AuthorFiles } from '../hostile-authors.testing.ts'
import { transfer } from '../samples.testing.ts'
import { CODE_LIMITS } from '../start.ts'
import { AuthorHandle } from './author-handle.ts'
import type { Made } from './port.ts'

/** Time enough to fill the memory on a machine that is busy. */
const LIMITS = { ...CODE_LIMITS, secondsPerEventMax: 20, memoryMiBMax: 64 }
const BYTES = Buffer.concat([1, 2, 3, 4, 5, 6, 7].map((sequence) => encodeEvent(transfer(0, sequence, 1, 2))))

let files: AuthorFiles
let author: AuthorHandle | undefined
let written = 0

beforeAll(async () => {
  files = await authorFiles()
})
afterEach(() => author?.stop())
afterAll(() => files.remove())

async function authorOf(text: string, log: (line: string) => void = () => undefined): Promise<AuthorHandle> {
  const module = await files.write(`view-${++written}.mjs`, text)
  const limits = text.includes('for (;;) ;') ? { ...LIMITS, secondsPerEventMax: 1 } : LIMITS
  return (author = new AuthorHandle({ module, declared: ODD, limits, log }))
}

const unasked = (): Promise<never> => Promise.reject(new Error('nothing is to be asked for'))

/** Runs the first events, seven by default. */
function run(author: AuthorHandle, events = 7): Promise<Made> {
  const bytes = BYTES.subarray(0, (BYTES.length / 7) * events)
  return author.run({ partition: 0, bytes, after: 0n, last: BigInt(events) }, unasked)
}

/** What ends the run of seven events of an author who does something at the fifth. */
async function faultOf(what: string, before?: string): Promise<unknown> {
  return run(await authorOf(doingAtFive(what, before))).catch((error: unknown) => error)
}

describe('an event that an author’s functions cannot take is named, with the cause and the line', () => {
  const cases: readonly [does: string, what: string, told: RegExp, before?: string][] = [
    ['throws', `throw new Error('no such currency')`, /^project threw: no such currency \(view-\d+\.mjs:5\)$/],
    ['throws what is no error', `throw 'a text'`, /^project threw: a text$/],
    ['never returns', 'for (;;) ;', /^a function did not come back within 1 s$/],
    ['takes a list without end', 'const list = []; for (;;) list.push({ list: [1, 2] })', /^the functions took more than 64 MiB$/],
    ['fills a map without end', 'const map = new Map(); for (let at = 0; ; at++) map.set(`k${at}`, at)', /^the functions took more than 64 MiB$/],
    ['takes memory beside the heap', 'const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))', /^the functions took more than 64 MiB$/],
    ['calls itself without end', 'const again = () => again() + 1; again()', /^project threw: Maximum call stack size exceeded \(view-\d+\.mjs:5\)$/],
    ['ends its process', 'process.exit(0)', /^project threw: A projection may not end its process\. \(view-\d+\.mjs:5\)$/],
    ['leaves a promise that breaks', `Promise.reject(new Error('later'))`, /^something that the functions left behind threw: later \(view-\d+\.mjs:5\)$/],
    ['gives a promise', 'return Promise.resolve({})', /^project gave a promise, not rows by table$/],
    ['asks for the time', 'Date.now()', /^project threw: A projection may not ask for the time: take recordedAtNs of the event\. \(view-\d+\.mjs:5\)$/],
    ['makes a date of now', 'new Date()', /^project threw: A projection may not ask for the time/],
    ['measures', 'performance.now()', /may not ask for the time/],
    ['uses chance', 'Math.random()', /may not use chance/],
    ['makes a random id', 'randomUUID()', /may not use chance/, `import { randomUUID } from 'node:crypto'`],
    ['waits for a timer', 'setTimeout(() => 0, 1)', /may not do anything later/],
    ['reads a file', `readFileSync('view')`, /may not read or change anything outside/, `import { readFileSync } from 'node:fs'`],
    ['asks the network', `fetch('http://127.0.0.1:1/')`, /may not read or change anything outside/],
    ['gives a row to no table', 'return { even: [] }', /^there is no table even: the projection declares odd$/],
    ['gives a wrong value', 'return { odd: [{ at: 5 }] }', /^table odd, column at: takes a bigint from 0 to 18446744073709551615, not 5 \(a number\)$/],
    ['gives a row without a value', 'return { odd: [{}] }', /^table odd, column at: the row has no value$/],
    ['gives a column too many', 'return { odd: [{ at: 5n, to: 6n }] }', /^table odd: there is no column to: it has at$/],
    ['gives two rows of one key', 'return { odd: [{ at: 5n }, { at: 6n }] }', /^table odd: rows 0 and 1 of one event have the same key, which has no column$/],
  ] // prettier-ignore
  test.each(cases)('one that %s', async (_does, what, told, before) => {
    expect(await faultOf(what, before)).toMatchObject({
      name: 'AuthorFault',
      sequence: 5n,
      message: expect.stringMatching(told) as string,
    })
  })
})

describe('an author’s process', () => {
  test('takes the events before and behind one that it could not take', async () => {
    const author = await authorOf(doingAtFive('for (;;) ;'))
    await expect(run(author)).rejects.toMatchObject({ sequence: 5n })
    expect((await run(author, 4)).rows).toMatchObject([{ table: 'odd', count: 4 }])
    const behind = BYTES.subarray((BYTES.length / 7) * 5)
    expect(
      (await author.run({ partition: 0, bytes: behind, after: 5n, last: 7n }, unasked)).rows,
    ).toMatchObject([{ count: 2 }])
  })

  test('that is ended by something else begins anew, and nothing is blamed', async () => {
    const lines: string[] = []
    const text = doingAtFive(
      `globalThis.process.kill === undefined`,
      `import { existsSync, writeFileSync } from 'node:fs'
       const mark = new URL('./mark-${written}', import.meta.url)
       if (!existsSync(mark)) { writeFileSync(mark, ''); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300) }`,
    )
    const author = await authorOf(text, (line) => lines.push(line))
    await author.start()
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect((await run(author)).rows).toMatchObject([{ count: 7 }])
  })

  test.each([
    ['does not parse', 'export default {', /^the file cannot be loaded: Unexpected end of input$/],
    ['throws', `\nthrow new Error('not here')`, /^the file cannot be loaded: not here \(view-\d+\.mjs:2\)$/],
    ['exports nothing', 'export const a = 1', /^the default export of the file is neither a view nor a projection$/],
    ['has changed', doingAtFive('').replace('UInt64', 'UInt32'), /^the file declares something else than was taken up/],
    ['ends its process', 'process.exit(3)', /^the file cannot be loaded: the process of the functions ended \(code 3\)/],
    ['lacks a function', doingAtFive('').replace('  project(', '  projects('), /^the projection has no function project$/],
  ])('a file that %s is told apart from any event', async (_what, text, told) => {
    const author = await authorOf(text)
    await expect(author.start()).rejects.toMatchObject({ name: 'ProjectionLoadError', message: expect.stringMatching(told) as string })
  }) // prettier-ignore
})

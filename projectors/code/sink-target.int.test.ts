import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { OutageError } from '../clickhouse/view-store.ts'
import { EventFault, type Target } from '../runtime/lanes/target.ts'
import { authorFiles, type AuthorFiles } from './hostile-authors.testing.ts'
import { rangeOf, transfer } from './samples.testing.ts'
import { startSinkTarget } from './start.ts'

const EVENTS = Array.from({ length: 20 }, (_, index) => transfer(2, index + 1, 1, 2))
const DECLARED = { kind: 'sink', name: 'told', version: 1 } as const

let files: AuthorFiles
let target: Target | undefined
let written = 0

beforeAll(async () => {
  files = await authorFiles()
})
afterEach(() => target?.stop())
afterAll(() => files.remove())

/** A sink that appends `first-last:keys` to a file, after `before` has run; `calls` counts. */
async function sinkOf(before: string, project = '[event.sequence, 0n]', deliveryMsMax = 5_000): Promise<{ target: Target; told: () => Promise<string[]> }> {
  const name = `told-${++written}`
  const module = await files.write(`${name}.mjs`, `
    import { appendFileSync } from 'node:fs'
    const file = new URL('./${name}.txt', import.meta.url)
    let calls = 0
    let opened = 0
    export default {
      kind: 'sink', name: 'told', version: 1,
      project: (event) => ${project},
      open: async () => {
        opened++
        return {
          deliver: async ({ partition, first, last, messages }) => {
            calls++
            ${before}
            appendFileSync(file, opened + ' ' + first + '-' + last + ' ' + messages.map(({ idempotencyKey }) => idempotencyKey).join(' ') + '\\n')
          },
          close: async () => undefined,
        }
      },
    }`)
  target = startSinkTarget({ projection: DECLARED, module, limits: { deliveryMsMax }, log: () => undefined })
  await target.prepare()
  return {
    target,
    told: async () => (await readFile(new URL(module.replace('.mjs', '.txt')), 'utf8')).trim().split('\n'),
  }
} // prettier-ignore

describe('a sink', () => {
  test('is given every message once and in order while nothing breaks, under a key that is its own', async () => {
    const { target, told } = await sinkOf('')
    await target.write(rangeOf(EVENTS.slice(0, 2)))
    await target.write(rangeOf(EVENTS.slice(0, 3)))
    expect(await told()).toEqual(['1 1-2 2:1:0 2:1:1 2:2:0 2:2:1', '1 3-3 2:3:0 2:3:1'])
  })

  test('that is out is given the same again, over a way that is opened anew', async () => {
    const { target, told } = await sinkOf(`if (calls === 1) throw Object.assign(new Error('away'), { code: 'SINK_UNAVAILABLE' })`) // prettier-ignore
    await expect(target.write(rangeOf(EVENTS.slice(0, 1)))).rejects.toBeInstanceOf(OutageError)
    await target.write(rangeOf(EVENTS.slice(0, 1)))
    expect(await told()).toEqual(['2 1-1 2:1:0 2:1:1'])
  })

  test('that does not answer in time is an outage, too', async () => {
    const { target } = await sinkOf('await new Promise((resolve) => setTimeout(resolve, 60_000))', '[1]', 500)
    await expect(target.write(rangeOf(EVENTS.slice(0, 1)))).rejects.toMatchObject({
      code: 'VIEWS_UNAVAILABLE',
      message: 'the sink has not taken a delivery within 0.5 s',
    })
  })

  test('that refuses a delivery stops its projection, and the delivery is named', async () => {
    const { target } = await sinkOf(`throw new Error('no such table')`)
    await expect(target.write(rangeOf(EVENTS.slice(0, 4)))).rejects.toThrow(
      /^the sink, as it was given 1 to 4 of partition 2: no such table \(told-\d+\.mjs:\d+\)$/,
    )
  })

  test('an event whose messages cannot be had is named', async () => {
    const { target } = await sinkOf('', `event.sequence === 3n ? event.none.there : [1]`)
    const fault = await target.write(rangeOf(EVENTS.slice(0, 5))).catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(EventFault)
    expect(fault).toMatchObject({
      sequence: 3n,
      message: expect.stringMatching(/^project threw: /) as string,
    })
  })

  test('may ask for the time as it delivers, but not in what it makes of an event', async () => {
    const { target, told } = await sinkOf(
      'Date.now(); await new Promise((resolve) => setTimeout(resolve, 5))',
    )
    await target.write(rangeOf(EVENTS.slice(0, 1)))
    expect(await told()).toHaveLength(1)
    await target.stop()
    const impure = await sinkOf('', '[Date.now()]')
    await expect(impure.target.write(rangeOf(EVENTS.slice(0, 1)))).rejects.toThrow('may not ask for the time')
  })
})

import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFileSink } from './file-sink.ts'
import { delivery, describeSink, type SinkUnderTest } from './sink-contract.testing.ts'

let folder: string
let files = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'file-sink-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function underTest(): Promise<SinkUnderTest & { readonly file: string }> {
  const file = path.join(folder, `sink-${++files}.jsonl`)
  return {
    file,
    open: () => openFileSink(file),
    messages: async () => {
      const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
      const all = lines.map((line) => JSON.parse(line) as [string, unknown])
      expect(new Set(all.map(([key]) => key)).size).toBe(all.length)
      return new Map(all)
    },
  }
}

describeSink('a file', underTest)

test('a line that a crash has cut off is written whole the next time', async () => {
  const { open, messages, file } = await underTest()
  const sink = await open()
  await sink.deliver(delivery(0, 1, 2))
  await sink.close()
  await appendFile(file, '["0:3:0",{"sequen')
  const again = await open()
  await again.deliver(delivery(0, 1, 4))
  await again.close()
  expect([...(await messages()).keys()]).toEqual(['0:1:0', '0:2:0', '0:3:0', '0:4:0'])
})

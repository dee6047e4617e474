import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { findSource, type Source } from './source.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-source-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a reading that is left', () => {
  it.each([
    ['plain', Buffer.from('some text\n')],
    ['packed', gzipSync('some text\n')],
  ])('ends at once, though the pipe it waits for says nothing more: %s', async (name, bytes) => {
    const fifo = path.join(folder, name)
    execFileSync('mkfifo', [fifo])
    const writer = openSync(fifo, 'r+')
    try {
      writeSync(writer, bytes)
      const source = await findSource(fifo)
      const reading = source.read()[Symbol.asyncIterator]()
      expect(String((await reading.next()).value)).toBe('some text\n')
      const next = reading.next().catch((error: unknown) => error)
      source.leave()
      await next
    } finally {
      closeSync(writer)
    }
  })

  it('may have ended before, or never begun', async () => {
    const file = path.join(folder, 'file')
    writeFileSync(file, 'x')
    const source: Source = await findSource(file)
    source.leave()
    for await (const bytes of source.read()) expect(String(bytes)).toBe('x')
    source.leave()
  })
})

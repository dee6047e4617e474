import * as fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openDirect, pageAlignedMemory } from './direct-write.ts'
import { PAST_THE_CACHE, nodeDisk, readUpTo, writeAll } from './disk.ts'

const BLOCK = 4096

let dir: string
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'purser-direct-'))
})
afterEach(() => {
  fs.rmSync(dir, { recursive: true })
})

function blocks(count: number, fill: number): Uint8Array {
  return new Uint8Array(pageAlignedMemory(count * BLOCK), 0, count * BLOCK).fill(fill)
}

it('blocks written past the cache and bytes written through it make one file', () => {
  const name = path.join(dir, 'file')
  const file = nodeDisk.open(name, 'create', PAST_THE_CACHE)
  const header = new Uint8Array(BLOCK).fill(1)
  writeAll(file, [header], 0)
  writeAll(file, [blocks(3, 2)], BLOCK)
  writeAll(file, [new Uint8Array(100).fill(3), new Uint8Array(BLOCK - 100)], 4 * BLOCK)
  writeAll(file, [blocks(1, 4)], 5 * BLOCK)
  file.sync()
  const expected = new Uint8Array(6 * BLOCK)
  expected
    .fill(1, 0, BLOCK)
    .fill(2, BLOCK, 4 * BLOCK)
    .fill(3, 4 * BLOCK, 4 * BLOCK + 100)
    .fill(4, 5 * BLOCK)
  expect(Buffer.compare(readUpTo(file, 0, 6 * BLOCK), expected)).toBe(0)
  expect(file.size()).toBe(6 * BLOCK)
  file.close()
  expect(Buffer.compare(fs.readFileSync(name), expected)).toBe(0)
})

it('what the disk cannot take directly is left to the ordinary way', () => {
  const name = path.join(dir, 'file')
  fs.writeFileSync(name, '')
  const direct = openDirect(name)
  // Where the system has no direct writing at all, everything goes the ordinary way.
  if (direct === undefined) return
  const memory = blocks(4, 7)
  expect(direct.write([memory.subarray(0, 100)], 0)).toBeUndefined()
  expect(direct.write([memory.subarray(8, 8 + BLOCK)], 0)).toBeUndefined()
  expect(direct.write([memory.subarray(0, BLOCK)], 512)).toBeUndefined()
  expect(direct.write([new Uint8Array(BLOCK)], 0)).toBeUndefined()
  expect(direct.write([memory, memory], 0)).toBeUndefined()
  expect(fs.statSync(name).size).toBe(0)
  expect(direct.write([memory], 0)).toBe(4 * BLOCK)
  direct.close()
})

it('shared memory that is not at a page is written all the same', () => {
  const name = path.join(dir, 'file')
  const file = nodeDisk.open(name, 'create', PAST_THE_CACHE)
  // Its own beginning is wherever the allocator put it: the kernel turns it down, or takes it.
  const memory = new Uint8Array(new SharedArrayBuffer(64 * BLOCK)).fill(9)
  writeAll(file, [memory], 0)
  writeAll(file, [blocks(1, 8)], 64 * BLOCK)
  file.close()
  const bytes = fs.readFileSync(name)
  expect(bytes.length).toBe(65 * BLOCK)
  expect(bytes.subarray(0, 64 * BLOCK).every((byte) => byte === 9)).toBe(true)
  expect(bytes.subarray(64 * BLOCK).every((byte) => byte === 8)).toBe(true)
})

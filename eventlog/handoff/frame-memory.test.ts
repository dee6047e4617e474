import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CHUNK_BYTES, createFrameMemoryShare, FrameMemory, FrameViews } from './frame-memory.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Collects, and lets the collector tell what it found. */
async function collected(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function open(chunks: number) {
  const share = createFrameMemoryShare(chunks)
  const memory = new FrameMemory(share)
  const views = new FrameViews(share)
  return {
    /** Writes a frame of equal bytes on one side and gives what the other side sees. */
    pass: (value: number, bytes: number): Uint8Array => {
      const written = memory.take(bytes).fill(value)
      return views.at(memory.refOf(written))
    },
  }
}

it('every frame arrives whole and stays as it is while others come, in chunks or not', () => {
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: CHUNK_BYTES })),
  )
  fc.assert(
    fc.property(sizes, (all) => {
      const { pass } = open(2)
      const seen = all.slice(0, 12).map((bytes, index) => ({ bytes, index, frame: pass(index + 1, bytes) }))
      for (const { bytes, index, frame } of seen) {
        expect(frame).toHaveLength(bytes)
        expect(frame.byteOffset % 8).toBe(0)
        expect(frame.every((byte) => byte === index + 1)).toBe(true)
      }
    }),
    { numRuns: 20 },
  )
})

it('memory is used again when nobody can reach a frame in it, and not before', async () => {
  const { pass } = open(2)
  const held = pass(1, CHUNK_BYTES).subarray(100, 200)
  pass(2, CHUNK_BYTES)
  const own = pass(3, CHUNK_BYTES)
  await collected()
  // The second chunk was the last one that was begun, so it is held; the first one is by its reader.
  const stillOwn = pass(4, CHUNK_BYTES)
  expect([own, stillOwn].map(({ buffer }) => buffer instanceof SharedArrayBuffer)).toEqual([false, false])
  expect(held.every((byte) => byte === 1)).toBe(true)
})

it('a chunk whose readers are gone takes frames again', async () => {
  const { pass } = open(2)
  pass(1, CHUNK_BYTES)
  pass(2, CHUNK_BYTES)
  await collected()
  for (let round = 0; round < 8; round++) {
    expect(pass(round, CHUNK_BYTES).buffer).toBeInstanceOf(SharedArrayBuffer)
    await collected()
  }
})

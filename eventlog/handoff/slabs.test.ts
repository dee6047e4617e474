import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../../schemas/limits.ts'
import { createSlabShare, openSlabPool } from './slabs.ts'

it('a slab has one owner: claimed once until it is released', () => {
  const pool = openSlabPool(createSlabShare(3))
  const claimed = [pool.claim(), pool.claim(), pool.claim()]
  expect([...claimed].sort()).toEqual([0, 1, 2])
  expect(pool.claim()).toBeUndefined()
  pool.release(1)
  expect(pool.claim()).toBe(1)
  pool.release(2)
  expect(() => {
    pool.release(2)
  }).toThrow(/not in use/)
  expect(() => {
    pool.release(3)
  }).toThrow(RangeError)
})

it('payloads lie behind the header’s place and never overlap', () => {
  const pool = openSlabPool(createSlabShare(2))
  for (const slab of [0, 1]) {
    const payload = pool.payload(slab)
    expect(payload.byteOffset).toBe(slab * FRAME_BYTES_MAX + FRAME_HEADER_BYTES)
    expect(payload.length).toBe(FRAME_BYTES_MAX - FRAME_HEADER_BYTES)
    expect(payload.byteOffset % 8).toBe(0)
  }
})

it('what one thread gives back another can take', async () => {
  const share = createSlabShare(1)
  const pool = openSlabPool(share)
  pool.claim()
  expect(openSlabPool(share).claim()).toBeUndefined()
  const releasing = new Worker(
    `const { workerData } = require('node:worker_threads')
     Atomics.store(new Int32Array(workerData), 0, 0)`,
    { eval: true, workerData: share.states },
  )
  await once(releasing, 'exit')
  expect(pool.claim()).toBe(0)
})

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

it('who waits for a slab wakes when another thread releases one, and not before', async () => {
  const share = createSlabShare(1)
  const pool = openSlabPool(share)
  pool.claim()
  expect(pool.waitForFree(5)).toBe(false)
  const releasing = new Worker(
    `const { workerData } = require('node:worker_threads')
     const states = new Int32Array(workerData)
     setTimeout(() => { Atomics.store(states, 1, 0); Atomics.add(states, 0, 1); Atomics.notify(states, 0) }, 20)`,
    { eval: true, workerData: share.states },
  )
  expect(pool.waitForFree(20_000)).toBe(true)
  expect(pool.claim()).toBe(0)
  await releasing.terminate()
})

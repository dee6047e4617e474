import { expect, it } from 'vitest'
import { GrowingMemory } from './growing-memory.ts'

const MIB = 1024 * 1024

it('keeps what is in it and adds zeros, whether it is copied, moved or grown in place', () => {
  const memory = new GrowingMemory(100)
  let known = new Uint8Array(memory.buffer, memory.byteOffset, 100).fill(7)
  for (const bytes of [200, 3 * MIB, 16 * MIB, 16 * MIB + 1, 40 * MIB, 41 * MIB]) {
    const before = known.length
    memory.grow(bytes)
    const grown = new Uint8Array(memory.buffer, memory.byteOffset, bytes)
    expect(Buffer.compare(grown.subarray(0, before), known)).toBe(0)
    expect(grown.subarray(before).every((byte) => byte === 0)).toBe(true)
    expect((memory.byteOffset + 16) % 64).toBe(memory.isInPlace() ? 16 : 0)
    known = grown.fill(bytes % 251)
  }
  expect(memory.isInPlace()).toBe(true)
})

it('is not copied where it is large: an array over it stays good', () => {
  const memory = new GrowingMemory(20 * MIB)
  const early = new Uint8Array(memory.buffer, memory.byteOffset, 20 * MIB)
  memory.grow(30 * MIB)
  new Uint8Array(memory.buffer, memory.byteOffset)[5] = 42
  expect(early[5]).toBe(42)
})

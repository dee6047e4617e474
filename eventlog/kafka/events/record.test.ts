import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../../../schemas/limits.ts'
import { emptyChain } from '../../file/layout/segments.ts'
import { seal } from '../../handoff/seal.ts'
import { decodeFrameRecord, encodeFrameRecord } from './record.ts'

function frameOf(payload: Uint8Array): Uint8Array {
  return seal(
    {
      schemaVersion: 1,
      epoch: 1n,
      firstSequence: 1n,
      count: payload.length === 0 ? 0 : 1,
      timeNs: 5n,
      nextCommandOffset: 3n,
      nextCommandIndex: 2,
      payload,
    },
    emptyChain(2),
    0n,
  ).bytes
}

/** A record in the middle of other bytes, at any address, as it comes from the broker. */
function amid(value: Uint8Array, at: number): Uint8Array {
  const around = Buffer.concat([Buffer.alloc(at, 7), value, Buffer.alloc(9, 7)])
  return around.subarray(at, at + value.length)
}

describe('a record of the events topic', () => {
  it('gives back the frame that it was made of, in aligned memory of its own, compressed only where that is shorter', () => {
    const repetitive = (bytes: number): Uint8Array =>
      new Uint8Array(bytes).map((_, index) => (index >> 6) & 7)
    for (const payload of [
      new Uint8Array(0),
      repetitive(300),
      repetitive(100_000),
      randomBytes(1),
      randomBytes(100_000),
      repetitive(FRAME_BYTES_MAX - FRAME_HEADER_BYTES),
      randomBytes(FRAME_BYTES_MAX - FRAME_HEADER_BYTES),
    ]) {
      const frame = frameOf(payload)
      const value = encodeFrameRecord(frame)
      expect(value.length).toBeLessThanOrEqual(frame.length)
      for (const at of [0, 1, 5]) {
        const given = amid(value, at)
        const read = decodeFrameRecord(given)
        if (read.kind !== 'frame') throw new Error(read.reason)
        expect(Buffer.compare(read.frame.bytes, frame)).toBe(0)
        expect(read.frame.payload.byteOffset % 8).toBe(0)
        expect(read.frame.bytes.buffer).not.toBe(given.buffer)
      }
    }
    expect(encodeFrameRecord(frameOf(repetitive(100_000))).length).toBeLessThan(10_000)
  })

  it('with any byte changed, cut off or added is turned down with a reason', () => {
    for (const payload of [new Uint8Array(40), new Uint8Array(5_000)]) {
      const value = encodeFrameRecord(frameOf(payload))
      for (let byte = 0; byte < value.length; byte++) {
        const changed = Buffer.from(value)
        changed[byte]! ^= 1 << (byte % 8)
        expect(decodeFrameRecord(changed).kind, `byte ${byte}`).toBe('bad')
      }
      for (let length = 0; length < value.length; length++)
        expect(decodeFrameRecord(value.subarray(0, length)).kind, `length ${length}`).toBe('bad')
      expect(decodeFrameRecord(Buffer.concat([value, Buffer.alloc(1)])).kind).toBe('bad')
    }
  })

  it('that says to be huge allocates nothing', () => {
    const value = encodeFrameRecord(frameOf(new Uint8Array(5_000)))
    value.writeUInt32LE(0xffff_ffff, 8)
    const before = process.memoryUsage().arrayBuffers
    expect(decodeFrameRecord(value)).toEqual({
      kind: 'bad',
      reason: `a compressed frame longer than ${FRAME_BYTES_MAX} bytes`,
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  it('of anybody’s bytes never throws', () => {
    const magics = [[], [0x50, 0x52, 0x53, 0x52], [0x50, 0x52, 0x53, 0x5a, 1, 0, 0, 0]]
    fc.assert(
      fc.property(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 400 }), (magic, bytes) => {
        expect(decodeFrameRecord(Uint8Array.from([...magic, ...bytes])).kind).toBe('bad')
      }),
      { numRuns: 2_000 },
    )
  })
})

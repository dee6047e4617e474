import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { lastSequence, peekFrame, readFrame, sealFrame, type Digests, type FrameHeader } from './frames.ts'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from './limits.ts'

const digests: Digests = {
  crc32: (first, second) => crc32(second, crc32(first)),
  sha256: (first, second) => createHash('sha256').update(first).update(second).digest(),
}
const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
const header: fc.Arbitrary<Omit<FrameHeader, 'payloadBytes'>> = fc.record({
  schemaVersion: fc.nat(255),
  skip: fc.nat(255),
  idHorizon: fc.nat(65_535),
  partition: fc.nat(65_535),
  partitions: fc.nat(65_535),
  epoch: u64,
  firstSequence: u64,
  count: fc.nat(2 ** 32 - 1),
  durableSequence: u64,
  timeNs: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  nextCommandOffset: u64,
  nextCommandIndex: fc.nat(65_535),
  commandsTopic: fc.nat(2 ** 32 - 1),
  previousHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
})

function sealed(described: Omit<FrameHeader, 'payloadBytes'>, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  bytes.set(payload, FRAME_HEADER_BYTES)
  sealFrame(bytes, { ...described, payloadBytes: payload.length }, digests)
  return bytes
}

it('a frame is read as it was sealed, wherever it stands', () => {
  fc.assert(
    fc.property(
      header,
      fc.uint8Array({ maxLength: 500 }),
      fc.nat(9),
      fc.nat(9),
      (described, payload, before, behind) => {
        const frame = sealed(described, payload)
        const bytes = new Uint8Array(before + frame.length + behind).fill(7)
        bytes.set(frame, before)
        const reading = readFrame(bytes, before, digests)
        if (reading.kind !== 'frame') return expect.fail(JSON.stringify(reading))
        expect(reading.frame).toMatchObject({ ...described, payloadBytes: payload.length })
        expect(new Uint8Array(reading.frame.payload)).toEqual(payload)
        expect(new Uint8Array(reading.frame.bytes)).toEqual(frame)
        expect(peekFrame(bytes, before)).toEqual({
          kind: 'frame',
          firstSequence: described.firstSequence,
          count: described.count,
          frameBytes: frame.length,
        })
      },
    ),
  )
})

it('every flipped bit of a frame is seen', () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 40 }), (described, payload) => {
      const frame = sealed(described, payload)
      for (let bit = 0; bit < frame.length * 8; bit++) {
        frame[bit >> 3]! ^= 1 << (bit & 7)
        expect(readFrame(frame, 0, digests).kind).not.toBe('frame')
        frame[bit >> 3]! ^= 1 << (bit & 7)
      }
      expect(readFrame(frame, 0, digests).kind).toBe('frame')
    }),
    { numRuns: 10 },
  )
})

it('a frame that is cut off asks for the bytes it needs', () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 40 }), fc.nat(), (described, payload, at) => {
      const frame = sealed(described, payload)
      const cut = at % frame.length
      expect(readFrame(frame.subarray(0, cut), 0, digests)).toEqual({
        kind: 'short',
        bytesNeeded: cut < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : frame.length,
      })
    }),
  )
})

it('a length beyond the bound is bad at once, whatever follows', () => {
  const frame = sealed(fc.sample(header, 1)[0]!, new Uint8Array(8))
  new DataView(frame.buffer).setUint32(60, FRAME_BYTES_MAX - FRAME_HEADER_BYTES + 1, true)
  expect(readFrame(frame, 0, digests)).toMatchObject({
    kind: 'bad',
    reason: `frame longer than ${FRAME_BYTES_MAX} bytes`,
  })
})

it('any bytes are a frame, short, or bad, never an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isMagic) => {
      if (isMagic) bytes.set([0x50, 0x52, 0x53, 0x52, 1, 0].slice(0, bytes.length))
      expect(['short', 'bad']).toContain(readFrame(bytes, 0, digests).kind)
    }),
    { numRuns: 1000 },
  )
})

it('a hash covers what comes before it: frames that differ in anything differ in hash', () => {
  fc.assert(
    fc.property(header, header, (one, other) => {
      const hash = (described: typeof one): string =>
        Buffer.from(sealed(described, new Uint8Array(4)).subarray(104, 136)).toString('hex')
      for (const field of Object.keys(one) as (keyof typeof one)[]) {
        const isSame = JSON.stringify(one[field], text) === JSON.stringify(other[field], text)
        expect(hash({ ...one, [field]: other[field] }) === hash(one)).toBe(isSame)
      }
    }),
    { numRuns: 30 },
  )
})

it('a frame without events ends before the sequence to come', () => {
  const described = { ...fc.sample(header, 1)[0]!, payloadBytes: 0, firstSequence: 9n }
  expect(lastSequence({ ...described, count: 0 })).toBe(8n)
  expect(lastSequence({ ...described, count: 3 })).toBe(11n)
})

function text(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

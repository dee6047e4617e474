import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { withKafka } from '../../test/support/kafka.ts'
import { KCAT, PACKERS, sendByKcat } from '../../test/support/kcat.ts'
import { haveTools } from '../../test/support/tools.ts'
import { CODEC, UNPACKED_BYTES_MAX } from './batch-codecs.ts'
import { connectToLeader } from './client.ts'
import { BATCH_RECORDS_MAX, batchesIn, recordsIn, type TopicRecord } from './record-batches.ts'
import { topicNames } from './settings.ts'
import {
  BATCH_HEADER_BYTES,
  packedBatch as packed,
  recordBatch as batch,
  withOffsetDeltas,
} from './testing-batches.ts'
import { openTopicReader } from './topic-reader.ts'

const EVERYTHING = 2n ** 63n

function read(answer: Buffer, from = 0n, before = EVERYTHING): TopicRecord[] {
  return batchesIn(answer).flatMap((one) => recordsIn(one, from, before))
}

const told = (records: readonly TopicRecord[]): string[] =>
  records.map(({ offset, value, unreadable }) => `${offset}:${unreadable?.reason ?? value.toString()}`)

const anyValues = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 })

/** A zstd frame of blocks that repeat one byte, each of so many bytes. */
function zstdRepeats(blocks: number, bytes: number, windowByte = 0x68): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, windowByte])
  const body = Buffer.alloc(4 * blocks)
  for (let at = 0; at < body.length; at += 4)
    body.writeUInt32LE((0x61 << 24) | (bytes << 3) | (1 << 1) | Number(at + 4 === body.length), at)
  return Buffer.concat([header, body])
}

describe('record batches', () => {
  it('give the records that were sent, from any offset on and before any other', () => {
    fc.assert(
      fc.property(fc.array(anyValues, { maxLength: 4 }), fc.bigInt({ min: 0n, max: 2n ** 50n }), (sent, first) => {
        let next = first
        const expected: { offset: bigint; value: Buffer }[] = []
        const answer = Buffer.concat(
          sent.map((values) => {
            const at = next
            for (const value of values) expected.push({ offset: next++, value: Buffer.from(value) })
            return batch(values, at)
          }),
        )
        const all = read(answer)
        expect(all.map(({ offset, value }) => ({ offset, value }))).toEqual(expected)
        const from = first + BigInt(Math.floor(expected.length / 3))
        const before = next - BigInt(Math.floor(expected.length / 3))
        expect(told(read(answer, from, before))).toEqual(
          told(all.filter(({ offset }) => offset >= from && offset < before)),
        )
      }),
      { numRuns: 50 },
    )
  }) // prettier-ignore

  it('the last one is left out where the answer was cut off, and those before it are whole', () => {
    const whole = batch([Buffer.from('a'), Buffer.from('b')])
    const cut = batch([Buffer.from('c')], 2n)
    for (let bytes = 0; bytes < cut.length; bytes++)
      expect(told(read(Buffer.concat([whole, cut.subarray(0, bytes)])))).toEqual(['0:a', '1:b'])
  })

  it('a flipped bit is told as a batch that cannot be read, and costs nothing that stands beside it', () => {
    const good = batch([Buffer.from('good')], 7n)
    const bytes = batch([Buffer.from('a'), Buffer.from('b')])
    // What its checksum covers.
    for (let bit = 8 * 21; bit < 8 * bytes.length; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const records = read(Buffer.concat([flipped, good]))
      expect(told(records.slice(-1))).toEqual(['7:good'])
      if (records.length > 1) expect(records[0]!.unreadable!.reason).toContain('its checksum is wrong')
    }
  })

  it('a batch that cannot be read is one entry for as many of its offsets as are asked for', () => {
    const bytes = packed(CODEC.snappy, Buffer.from('no block'), 5)
    const entry = (from: bigint, before: bigint): (bigint | undefined)[] =>
      read(bytes, from, before).flatMap(({ offset, unreadable }) => [offset, unreadable?.end])
    expect(entry(0n, 9n)).toEqual([0n, 5n])
    expect(entry(2n, 4n)).toEqual([2n, 4n])
    expect(entry(5n, 9n)).toEqual([])
  })

  it.each([[[1, 0]], [[0, 0]], [[0, 7]], [[-1, 0]], [[1, 2]]])(
    'a batch whose records say other offsets than come one behind the other within it is one entry: %j',
    (deltas) => {
      const good = batch([Buffer.from('good')], 12n)
      const strange = withOffsetDeltas(batch([Buffer.from('a'), Buffer.from('b')], 10n), deltas)
      const records = read(Buffer.concat([strange, good]), 10n)
      expect(told(records)).toEqual(['10:its batch cannot be read (its offsets are not in order)', '12:good'])
      expect(records[0]!.unreadable!.end).toBe(12n)
    },
  )

  it('offsets between records of a batch may be missing', () => {
    const records = read(withOffsetDeltas(batch([Buffer.from('a'), Buffer.from('b')]), [0, 2], 2))
    expect(told(records)).toEqual(['0:a', '2:b'])
  })

  it('more records than any of ours holds are not made, and neither are those of a format that is no more', () => {
    const none = Buffer.alloc(0)
    expect(told(read(packed(CODEC.none, none, BATCH_RECORDS_MAX + 1)))).toEqual([
      expect.stringContaining(`${BATCH_RECORDS_MAX + 1} records in one batch`),
    ])
    const old = batch([Buffer.from('a')])
    old[16] = 1
    expect(told(read(old))).toEqual([expect.stringContaining('record format 1, not 2')])
  })

  const records = batch([Buffer.from('packed')]).subarray(BATCH_HEADER_BYTES)
  const lengthOf = Buffer.alloc(4)
  const xerial = (blocks: readonly Buffer[]): Buffer =>
    Buffer.concat([
      Buffer.from('\x82SNAPPY\0\0\0\0\x01\0\0\0\x01', 'latin1'),
      ...blocks.flatMap((block) => {
        lengthOf.writeInt32BE(block.length)
        return [Buffer.from(lengthOf), block]
      }),
    ])

  it.each([
    ['gzip', CODEC.gzip, gzipSync(records)],
    ['snappy', CODEC.snappy, compressSync(records)],
    [
      'snappy in blocks',
      CODEC.snappy,
      xerial([compressSync(records.subarray(0, 5)), compressSync(records.subarray(5))]),
    ],
    ['lz4', CODEC.lz4, compressFrameSync(records)],
  ])('what is packed with %s is unpacked', (_name, codec, bytes) => {
    expect(told(read(packed(codec, bytes)))).toEqual(['0:packed'])
  })

  const tooLong = Buffer.alloc(UNPACKED_BYTES_MAX + 1)
  const hugeSnappy = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])
  it.each([
    ['gzip', CODEC.gzip, gzipSync(tooLong)],
    ['snappy', CODEC.snappy, compressSync(tooLong)],
    ['snappy that claims four gigabytes', CODEC.snappy, hugeSnappy],
    ['snappy in blocks', CODEC.snappy, xerial(Array<Buffer>(300).fill(compressSync(Buffer.alloc(65_536))))],
    ['lz4', CODEC.lz4, compressFrameSync(tooLong)],
    ['zstd', CODEC.zstd, zstdRepeats(200, 128 * 1024)],
    ['zstd whose window is a gigabyte', CODEC.zstd, zstdRepeats(1, 10, 0xa0)],
    [
      'zstd whose second frame has such a window',
      CODEC.zstd,
      Buffer.concat([zstdRepeats(1, 10), zstdRepeats(1, 10, 0xa0)]),
    ],
    ['an unknown codec', 7, Buffer.alloc(10)],
  ])('what would come to more than the bound is not unpacked: %s', (_name, codec, bytes) => {
    const before = process.memoryUsage().arrayBuffers
    const [only, ...rest] = read(packed(codec, bytes))
    expect(rest).toEqual([])
    expect(only!.unreadable!.reason).toMatch(/more than|unknown codec|larger than/)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * UNPACKED_BYTES_MAX)
  })

  it('whatever bytes are said to be packed, they are read or told as unreadable', () => {
    const starts = [Buffer.alloc(0), gzipSync(records), compressSync(records), compressFrameSync(records)].concat(
      xerial([compressSync(records)]),
      zstdRepeats(2, 10),
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...starts),
        fc.nat(60),
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 0, max: 7 }),
        (start, kept, more, codec) => {
          const bytes = Buffer.concat([start.subarray(0, kept), more])
          for (const record of read(packed(codec, bytes))) expect(record.offset).toBeTypeOf('bigint')
        },
      ),
      { numRuns: 2_000 },
    )
  }) // prettier-ignore
})

if (haveTools('batches that others pack', KCAT))
  await withKafka('batches that others pack', (kafka) => {
    it.each(PACKERS)('a batch that kcat packs with %s is read, and is packed in the topic', async (packer) => {
      const settings = await kafka.deployment()
      const { events: topic } = topicNames(settings)
      const lines = Array.from({ length: 200 }, (_, index) => `${index} ${'nobody of ours wrote this '.repeat(9)}`)
      await sendByKcat({ ...settings, topic, partition: 0 }, packer, lines)
      const { broker, destroy } = await connectToLeader(settings, topic, 0, () => undefined, 0)
      const answer = await broker.fetch({ topic, partition: 0, offset: 0n, waitMs: 100, bytesMax: 1 << 20 })
      destroy()
      expect(new Set(batchesIn(answer).map(({ codec }) => codec))).toEqual(new Set([CODEC[packer]]))
      const reader = openTopicReader({ settings, topic, partition: 0, log: () => undefined })
      const all: string[] = []
      for await (const records of reader.read(0n, { upTo: BigInt(lines.length) })) all.push(...told(records))
      reader.close()
      expect(all).toEqual(lines.map((line, offset) => `${offset}:${line}`))
    })
  }) // prettier-ignore

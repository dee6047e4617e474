import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { withKafka } from '../../../test/support/kafka.ts'
import { PACKERS, sendByKcat } from '../../../test/support/kcat.ts'
import { haveTools } from '../../../test/support/tools.ts'
import { BATCH_HEADER_BYTES } from './batch-layout.ts'
import { CODEC, UNPACKED_BYTES_MAX } from './batch-codecs.ts'
import { connectToLeader } from '../kafkajs/client.ts'
import { BATCH_RECORDS_MAX, batchesIn, recordsIn, type TopicRecord } from './record-batches.ts'
import { topicNames } from '../settings.ts'
import { packedBatch as packed, recordBatch as batch, withOffsetDeltas } from './odd-batches.testing.ts'
import { openTopicReader } from '../partition/topic-reader.ts'

const EVERYTHING = 2n ** 63n

function read(answer: Buffer, from = 0n, before = EVERYTHING): TopicRecord[] {
  const { batches, damage } = batchesIn(answer, from)
  expect(damage).toBeUndefined()
  return batches.flatMap((one) => recordsIn(one, from, before))
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
        const all = read(answer, first)
        expect(all.map(({ offset, value }) => ({ offset, value }))).toEqual(expected)
        const from = first + BigInt(Math.floor(expected.length / 3))
        const before = next - BigInt(Math.floor(expected.length / 3))
        // A broker leaves out the batches before it.
        const found = batchesIn(answer, first).batches
        expect(told(found.flatMap((one) => recordsIn(one, from, before)))).toEqual(
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

  const before = batch([Buffer.from('before')], 6n)
  const middle = batch([Buffer.from('a'), Buffer.from('b')], 7n)
  const behind = batch([Buffer.from('behind')], 9n)
  /** Whoever leads the partition writes it when it likes: no checksum covers it. */
  const LEADER_EPOCH_BITS = { from: 8 * 12, end: 8 * 16 }
  const BASE_OFFSET_BITS = 8 * 8

  function flipped(bit: number): Buffer {
    const bytes = Buffer.from(middle)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    return bytes
  }

  it.each([
    ['', [behind]],
    [', also where it is the last one', []],
  ])('whichever bit of a batch is flipped, nothing of it nor behind it is given or skipped%s', (_where, rest) => {
    for (let bit = 0; bit < 8 * middle.length; bit++) {
      const { batches } = batchesIn(Buffer.concat([before, flipped(bit), ...rest]), 6n)
      const isHarmless = bit >= LEADER_EPOCH_BITS.from && bit < LEADER_EPOCH_BITS.end
      expect(batches.map(({ end }) => end), `bit ${bit}`).toEqual(
        !isHarmless ? [7n] : rest.length === 0 ? [7n, 9n] : [7n, 9n, 10n],
      )
    }
  }) // prettier-ignore

  it('asked for once more it is the first of an answer, and told as damaged', () => {
    // Where the first one begins is not known before.
    for (let bit = BASE_OFFSET_BITS; bit < 8 * middle.length; bit++) {
      if (bit >= LEADER_EPOCH_BITS.from && bit < LEADER_EPOCH_BITS.end) continue
      const { batches, damage } = batchesIn(Buffer.concat([flipped(bit), behind]), 7n)
      expect(batches, `bit ${bit}`).toEqual([])
      expect(damage).toMatch(/checksum is wrong|cut off|record format|bytes long/)
    }
  })

  it('the first batch of an answer may begin before what was asked for, and holds it', () => {
    expect(told(read(middle, 8n))).toEqual(['8:b'])
    for (const from of [6n, 9n])
      expect(batchesIn(middle, from)).toEqual({ batches: [], damage: 'it says that it holds offsets 7 to 8' })
  })

  it('a batch that cannot be read is one entry for as many of its offsets as are asked for', () => {
    const bytes = packed(CODEC.snappy, Buffer.from('no block'), 5)
    const entry = (from: bigint, before: bigint): (bigint | undefined)[] =>
      read(bytes, from, before).flatMap(({ offset, unreadable }) => [offset, unreadable?.end])
    expect(entry(0n, 9n)).toEqual([0n, 5n])
    expect(entry(2n, 4n)).toEqual([2n, 4n])
    expect(entry(0n, 0n)).toEqual([])
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

  it('more records than any of ours holds are not made', () => {
    expect(told(read(packed(CODEC.none, Buffer.alloc(0), BATCH_RECORDS_MAX + 1)))).toEqual([
      expect.stringContaining(`${BATCH_RECORDS_MAX + 1} records in one batch`),
    ])
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

if (haveTools('batches that others pack', 'kcat'))
  await withKafka('batches that others pack', (kafka) => {
    it.each(PACKERS)('a batch that kcat packs with %s is read, and is packed in the topic', async (packer) => {
      const settings = await kafka.deployment()
      const { events: topic } = topicNames(settings)
      const lines = Array.from({ length: 200 }, (_, index) => `${index} ${'nobody of ours wrote this '.repeat(9)}`)
      await sendByKcat({ ...settings, topic, partition: 0 }, packer, lines)
      const { broker, destroy } = await connectToLeader(settings, topic, 0, () => undefined, 0)
      const answer = await broker.fetch({ topic, partition: 0, offset: 0n, waitMs: 100, bytesMax: 1 << 20 })
      destroy()
      expect(new Set(batchesIn(answer, 0n).batches.map(({ codec }) => codec))).toEqual(new Set([CODEC[packer]]))
      const reader = openTopicReader({ settings, topic, partition: 0, log: () => undefined })
      const all: string[] = []
      for await (const records of reader.read(0n, { upTo: BigInt(lines.length) })) all.push(...told(records))
      reader.close()
      expect(all).toEqual(lines.map((line, offset) => `${offset}:${line}`))
    })
  }) // prettier-ignore

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryDisk } from '../../eventlog/disk/memory-disk.ts'
import { SnapshotFileWriter, readSnapshotFile, writeSnapshotFile, type Snapshot } from './snapshot-file.ts'
import { SNAPSHOT_CHUNK_BYTES } from './snapshot-format.ts'

const FILE = '/data/s.snap'
const position = {
  partition: 3,
  sequence: 0x0102_0304n,
  epoch: 5n,
  chainHash: Uint8Array.from({ length: 32 }, (_, at) => at),
  nextCommandOffset: 0x0506n,
  nextCommandIndex: 7,
  takenAtNs: 1_780_000_000_123_456_789n,
  logOffset: 2n ** 40n + 7n,
}

function written(snapshot: Snapshot): Uint8Array {
  const disk = createMemoryDisk()
  writeSnapshotFile(disk, FILE, snapshot)
  return disk.files().get(FILE)!
}

function read(bytes: Uint8Array): ReturnType<typeof readSnapshotFile> {
  const disk = createMemoryDisk()
  disk.put(FILE, bytes)
  return readSnapshotFile(disk, FILE, 3)
}

describe('a snapshot file', () => {
  it('has the bytes of format version 2', () => {
    const bytes = Buffer.from(
      written({
        ...position,
        sections: [
          { name: 'core', bytes: Uint8Array.of(1, 2, 3) },
          { name: 'none', bytes: new Uint8Array() },
        ],
      }),
    )
    expect(bytes.subarray(0, 96).toString('hex').match(/.{32}/g)).toEqual([
      '5052534e020003000200000007000000',
      '04030201000000000500000000000000',
      '06050000000000004001000000000000',
      '000102030405060708090a0b0c0d0e0f',
      '101112131415161718191a1b1c1d1e1f',
      '15cd8dbb91d4b3180700000000010000',
    ])
    expect(bytes.subarray(96, 176).toString('latin1').replace(/\0+/g, '·')).toBe('core·\x03·none·')
    // Table to 176, first section from 192 on, both hashes behind 256.
    expect([...bytes.subarray(192, 196)]).toEqual([1, 2, 3, 0])
    const chunkHash = createHash('sha256').update(bytes.subarray(0, 256)).digest()
    expect(bytes.subarray(256, 288)).toEqual(chunkHash)
    expect(bytes.subarray(288)).toEqual(createHash('sha256').update(chunkHash).digest())
    expect(bytes).toHaveLength(320)
  })

  it('is the same whatever the slices in which its sections come, and is read back', () => {
    const sizes = fc.array(fc.oneof(fc.nat(200), fc.constantFrom(0, 64, 600_000, SNAPSHOT_CHUNK_BYTES)), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 4 }), (lengths, slices) => {
        const sections = lengths.map((length, index) => ({
          name: `section-${index}`,
          bytes: new Uint8Array(length).map((_, at) => at * 31 + index),
        }))
        const expected = written({ ...position, sections })
        const disk = createMemoryDisk()
        const table = sections.map(({ name, bytes }) => ({ name, length: bytes.length }))
        const writer = new SnapshotFileWriter(disk, FILE, position, table)
        let slice = 0
        for (const { bytes } of sections)
          for (let at = 0; at < bytes.length;) {
            const piece = bytes.subarray(at, at + slices[slice++ % slices.length]!)
            writer.append(piece)
            at += piece.length
          }
        writer.finish()
        const bytes = disk.durableFiles().get(FILE)!
        expect(Buffer.compare(bytes, expected)).toBe(0)
        expect(writer.fileBytes).toBe(bytes.length)
        const reading = read(bytes)
        if (reading.kind !== 'snapshot') throw new Error(reading.reason)
        expect(reading.snapshot.sections.map(({ name }) => name)).toEqual(table.map(({ name }) => name))
        reading.snapshot.sections.forEach((section, index) => {
          expect(Buffer.compare(section.bytes, sections[index]!.bytes)).toBe(0)
        })
      }),
      { numRuns: 25, seed: 3 },
    )
  }) // prettier-ignore

  it('says between which bytes it is damaged', () => {
    const bytes = written({ ...position, sections: [{ name: 'large', bytes: new Uint8Array(2_500_000) }] })
    bytes[1_500_000]! ^= 1
    expect(read(bytes)).toEqual({
      kind: 'unusable',
      reason: 'it is damaged between bytes 1048576 and 2097152 (SHA-256)',
    })
  })

  it('takes no more and no less than its sections', () => {
    const begin = (): SnapshotFileWriter =>
      new SnapshotFileWriter(createMemoryDisk(), FILE, position, [{ name: 'one', length: 10 }])
    const writer = begin()
    writer.append(new Uint8Array(9))
    expect(() => {
      writer.append(new Uint8Array(2))
    }).toThrow('more than its sections')
    expect(() => {
      writer.finish()
    }).toThrow('before its sections')
  })
})

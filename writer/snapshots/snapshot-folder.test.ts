import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { readSnapshotFile, type Snapshot } from './snapshot-file.ts'
import { loadNewestSnapshot, saveSnapshot, snapshotsFolder } from './snapshot-folder.ts'

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(path.join(os.tmpdir(), 'purser-snapshot-'))
})
afterEach(() => {
  rmSync(dataDir, { recursive: true })
})

function snapshotOf(sequence: bigint, partition = 0): Snapshot {
  return {
    partition,
    sequence,
    epoch: 3n,
    chainHash: new Uint8Array(32).fill(Number(sequence % 251n)),
    nextCommandOffset: sequence + 5n,
    nextCommandIndex: 7,
    takenAtNs: 1_780_000_000_000_000_000n,
    logOffset: 12n,
    sections: [
      {
        name: 'accounts',
        bytes: Uint8Array.from({ length: 300 }, (_, index) => (index + Number(sequence)) & 255),
      },
      { name: 'empty', bytes: new Uint8Array() },
      { name: 'ids', bytes: Uint8Array.from({ length: 41 }, (_, index) => index) },
    ],
  }
}

const load = (partition = 0) => loadNewestSnapshot(nodeDisk, dataDir, partition, (snapshot) => snapshot)

describe('a snapshot', () => {
  it('is read back as it was written', () => {
    saveSnapshot(nodeDisk, dataDir, snapshotOf(42n))
    expect(load()).toMatchObject({ usable: { state: snapshotOf(42n) }, unusable: [] })
  })

  it('is unusable whichever of its bytes is changed', () => {
    const file = saveSnapshot(nodeDisk, dataDir, snapshotOf(42n))
    const whole = readFileSync(file)
    for (let byte = 0; byte < whole.length; byte++) {
      const changed = Buffer.from(whole)
      changed[byte]! ^= 0x10
      writeFileSync(file, changed)
      expect(readSnapshotFile(nodeDisk, file, 0), `byte ${byte}`).toMatchObject({ kind: 'unusable' })
    }
  })

  it('is unusable wherever it is cut off, and if it has grown', () => {
    const file = saveSnapshot(nodeDisk, dataDir, snapshotOf(42n))
    const whole = readFileSync(file)
    for (let bytes = 0; bytes < whole.length; bytes++) {
      writeFileSync(file, whole.subarray(0, bytes))
      expect(readSnapshotFile(nodeDisk, file, 0), `${bytes} bytes`).toMatchObject({ kind: 'unusable' })
    }
    writeFileSync(file, Buffer.concat([whole, Buffer.alloc(1)]))
    expect(readSnapshotFile(nodeDisk, file, 0)).toMatchObject({ kind: 'unusable' })
  })

  it('that claims a section of 2^60 bytes costs no memory', () => {
    const file = saveSnapshot(nodeDisk, dataDir, snapshotOf(42n))
    const bytes = readFileSync(file)
    bytes.writeBigUInt64LE(2n ** 60n, 96 + 32)
    writeFileSync(file, bytes)
    expect(readSnapshotFile(nodeDisk, file, 0)).toEqual({
      kind: 'unusable',
      reason: 'its section lengths contradict its size',
    })
  })

  it('of another partition is passed over', () => {
    const file = saveSnapshot(nodeDisk, dataDir, snapshotOf(42n, 1))
    saveSnapshot(nodeDisk, dataDir, snapshotOf(7n, 0))
    writeFileSync(path.join(snapshotsFolder(dataDir, 0), path.basename(file)), readFileSync(file))
    expect(load().usable?.position.sequence).toBe(7n)
    expect(load().unusable).toMatchObject([{ reason: 'it is of partition 1, not of 0' }])
  })

  it('under another sequence’s name is passed over', () => {
    const file = saveSnapshot(nodeDisk, dataDir, snapshotOf(42n))
    writeFileSync(file.replace('42.snap', '43.snap'), readFileSync(file))
    expect(load().usable?.position.sequence).toBe(42n)
    expect(load().unusable).toHaveLength(1)
  })

  it('that is damaged gives way to the one before, and to none after that', () => {
    const older = saveSnapshot(nodeDisk, dataDir, snapshotOf(41n))
    const newer = saveSnapshot(nodeDisk, dataDir, snapshotOf(42n))
    truncateSync(newer, 200)
    expect(load().usable?.position.sequence).toBe(41n)
    truncateSync(older, 0)
    expect(load().usable).toBeUndefined()
    expect(load().unusable.map(({ file }) => path.basename(file))).toEqual([
      '00000000000000000042.snap',
      '00000000000000000041.snap',
    ])
  })

  it('whose sections the core does not understand is passed over', () => {
    saveSnapshot(nodeDisk, dataDir, snapshotOf(41n))
    saveSnapshot(nodeDisk, dataDir, snapshotOf(42n))
    const newest = loadNewestSnapshot(nodeDisk, dataDir, 0, (snapshot) => {
      if (snapshot.sequence === 42n) throw new RangeError('sections of another version')
      return snapshot
    })
    expect(newest.usable?.position.sequence).toBe(41n)
    expect(newest.unusable[0]?.reason).toBe('sections of another version')
  })

  it('is none where there is no folder', () => {
    expect(load()).toEqual({ usable: undefined, unusable: [] })
  })
})

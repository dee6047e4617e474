/** A snapshot's way to the disk, with every step failing once: the one before is never lost, and nothing half written counts. */
import { describe, expect, it } from 'vitest'
import { createMemoryDisk, type DiskFault, type MemoryDisk } from '../../eventlog/disk/memory-disk.ts'
import type { Snapshot } from './snapshot-file.ts'
import { SnapshotSaving } from './snapshot-saving.ts'
import {
  listSnapshots,
  loadNewestSnapshot,
  removeUnfinishedSnapshots,
  saveSnapshot,
} from './snapshot-folder.ts'

const DATA = '/data'

function snapshotOf(sequence: bigint): Snapshot {
  return {
    partition: 0,
    sequence,
    epoch: 1n,
    chainHash: new Uint8Array(32).fill(7),
    nextCommandOffset: sequence,
    nextCommandIndex: 0,
    takenAtNs: 5n,
    logOffset: 0n,
    sections: [
      {
        name: 'first',
        bytes: Uint8Array.from({ length: 9_000 }, (_, at) => (at * 7 + Number(sequence)) & 255),
      },
      { name: 'second', bytes: new Uint8Array(70).fill(Number(sequence)) },
    ],
  }
}

/** A disk with snapshots 1 and 2, durable. */
function diskWithTwo(): MemoryDisk {
  const disk = createMemoryDisk()
  for (const sequence of [1n, 2n]) saveSnapshot(disk, DATA, snapshotOf(sequence))
  return disk
}

/** Saves snapshot 3 in slices. Returns what was told, in order. */
function save(disk: MemoryDisk, kept = 2, unusable: readonly bigint[] = []): string[] {
  const told: string[] = []
  const snapshot = snapshotOf(3n)
  const { sections: _, ...position } = snapshot
  const sections = snapshot.sections.map(({ name, bytes }) => ({ name, length: bytes.length }))
  const saving = new SnapshotSaving(
    disk,
    { dataDir: DATA, position, sections, kept, unusable },
    {
      saved: (fileBytes) => told.push(`saved ${fileBytes}`),
      failed: (reason) => told.push(`failed ${reason.split(':')[0]}`),
      notice: (line) => told.push(line.slice(0, 35)),
    },
  )
  for (const { bytes } of snapshot.sections)
    for (let at = 0; at < bytes.length; at += 4_000) saving.append(bytes.subarray(at, at + 4_000))
  saving.finish()
  expect(saving.isOver()).toBe(true)
  return told
}

const sequencesOn = (disk: MemoryDisk): bigint[] =>
  listSnapshots(disk, DATA, 0).map(({ sequence }) => sequence)
const newestOn = (disk: MemoryDisk): bigint | undefined =>
  loadNewestSnapshot(disk, DATA, 0, ({ sequence, sections }) => {
    expect(sections).toEqual(snapshotOf(sequence).sections)
    return sequence
  }).usable?.state
const asidesOn = (disk: MemoryDisk): string[] =>
  [...disk.files().keys()].filter((name) => name.endsWith('.aside'))

/** Operations that a save without faults takes. */
const operations = ((): number => {
  const disk = diskWithTwo()
  const before = disk.operations()
  save(disk)
  return disk.operations() - before
})()

describe('a snapshot on its way to the disk', () => {
  it('is told once it is durable, and then takes the place of the oldest', () => {
    const disk = diskWithTwo()
    expect(save(disk)).toEqual([expect.stringMatching(/^saved \d+$/)])
    disk.crash()
    expect(sequencesOn(disk)).toEqual([3n, 2n])
    expect(newestOn(disk)).toBe(3n)
  })

  it('crashes at any step: the one before is whole, or this one is; what is half written is removed at the next start', () => {
    const newest = new Set<bigint | undefined>()
    for (let nth = 1; nth <= operations; nth++)
      for (const choice of [0, 1, 2, undefined]) {
        const disk = diskWithTwo()
        const before = disk.operations()
        disk.setFaults((_, operation) => (operation - before === nth ? 'crash' : undefined))
        save(disk)
        disk.setFaults(undefined)
        disk.crash(choice === undefined ? undefined : (choices) => Math.min(choice, choices - 1))
        const sequences = sequencesOn(disk)
        // Two are always there, and the older of them never went before the newer was durable.
        expect(sequences.slice(-2), `step ${nth}, choice ${choice}`).toSatisfy(
          ([newer, older]: bigint[]) => (newer === 2n && older === 1n) || (newer === 3n && older === 2n),
        )
        newest.add(newestOn(disk))
        removeUnfinishedSnapshots(disk, DATA, 0)
        expect(asidesOn(disk)).toEqual([])
        expect(save(disk)).toEqual([expect.stringMatching(/^saved/)])
        expect(newestOn(disk)).toBe(3n)
      }
    expect(newest).toEqual(new Set([2n, 3n]))
  })

  it.each<DiskFault>(['ENOSPC', 'EIO'])(
    'fails with %s at any step: told once, the one before stands',
    (fault) => {
      for (let nth = 1; nth <= operations; nth++) {
        const disk = diskWithTwo()
        const before = disk.operations()
        disk.setFaults((_, operation) => (operation - before === nth ? fault : undefined))
        const told = save(disk)
        disk.setFaults(undefined)
        if (told[0]!.startsWith('saved'))
          expect(told.slice(1), `step ${nth}`).toEqual(['Old snapshots could not be removed:'])
        else expect(told, `step ${nth}`).toEqual([`failed ${fault}`])
        expect(asidesOn(disk)).toEqual([])
        expect(newestOn(disk)).toBe(told[0]!.startsWith('saved') ? 3n : sequencesOn(disk)[0])
        expect(save(disk)[0]).toMatch(/^saved/)
        expect(newestOn(disk)).toBe(3n)
      }
    },
  )

  it('leaves as many as are to be kept, and counts none that was found unusable', () => {
    const disk = createMemoryDisk()
    for (const sequence of [1n, 2n, 4n, 5n]) saveSnapshot(disk, DATA, snapshotOf(sequence))
    // A start passed over 5 and 2; 4 has a later name, and nobody has looked at it.
    save(disk, 2, [5n, 2n])
    expect(sequencesOn(disk)).toEqual([4n, 3n, 1n])
    for (const sequence of [1n, 2n]) saveSnapshot(disk, DATA, snapshotOf(sequence))
    save(disk, 1)
    expect(sequencesOn(disk)).toEqual([4n, 3n])
  })

  it('is given up without a trace', () => {
    const disk = diskWithTwo()
    const { sections, ...position } = snapshotOf(3n)
    const told: string[] = []
    const tell = (line: string | number): void => void told.push(String(line))
    const saving = new SnapshotSaving(
      disk,
      {
        dataDir: DATA, position, kept: 2, unusable: [],
        sections: sections.map(({ name, bytes }) => ({ name, length: bytes.length })),
      },
      { saved: tell, failed: tell, notice: tell },
    ) // prettier-ignore
    saving.append(sections[0]!.bytes.subarray(0, 100))
    expect(asidesOn(disk)).toHaveLength(1)
    saving.abandon()
    saving.append(sections[0]!.bytes.subarray(100))
    saving.finish()
    expect({ told, asides: asidesOn(disk), sequences: sequencesOn(disk) }).toEqual({
      told: [],
      asides: [],
      sequences: [2n, 1n],
    })
  })
})

import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { LogArchiveMissingError, LogArchiveUnfitError, LogCorruptError } from '../errors.ts'
import { allFrames, appendGroup, appendIdleFrame } from '../testing.ts'
import { rounds } from '../../test/support/rounds.ts'
import { archiveSegments, planArchive } from './archive.ts'
import { nodeDisk, type Disk } from '../disk/disk.ts'
import { FileEventLog } from './file-event-log.ts'
import { createMemoryDisk, type MemoryDisk } from '../disk/memory-disk.ts'
import { readArchivePointer } from './layout/segment-locations.ts'
import { readFramesAhead } from './read/read-ahead.ts'
import { openLog, type OpenLogOptions } from './recovery/open-log.ts'
import { BLOCK_BYTES, listSegments, logFolder, segmentName } from './layout/segments.ts'
import { chanceOf } from '../../test/support/mutations.ts'

const DIR = '/data'
const ARCHIVE = '/archive'
const OPTIONS: OpenLogOptions = { partition: 0, segmentBytesMax: 5 * BLOCK_BYTES }

/** A log of a dozen segments; returns the last sequence. */
function fill(disk: Disk, dir: string, groups = 24): bigint {
  const opened = openLog(disk, dir, OPTIONS)
  for (let group = 0; group < groups; group++) {
    appendGroup(opened, [2, 1], 3_000)
    if (group % 4 === 0) appendIdleFrame(opened)
  }
  const { sequence } = opened.appender.head()
  opened.appender.close()
  return sequence
}

function filled(): { disk: MemoryDisk; last: bigint } {
  const disk = createMemoryDisk()
  return { disk, last: fill(disk, DIR) }
}

function hashes(disk: Disk, dir = DIR): string[] {
  return allFrames(disk, dir, 0).map(({ hash }) => Buffer.from(hash).toString('hex'))
}

function segmentFile(base: string, segment: bigint): string {
  return path.join(base, logFolder(0), segmentName(segment))
}

describe('what is archived', () => {
  it('is nothing that a reader from the given sequence on opens', () => {
    const { disk, last } = filled()
    const live = listSegments(disk, DIR, 0)
    expect(live.length).toBeGreaterThan(8)
    expect(planArchive(disk, DIR, 0, 0n)).toEqual([])
    expect(planArchive(disk, DIR, 0, 1n)).toEqual([])
    // Frames without events may stand at the very sequence with which the next segment begins.
    expect(planArchive(disk, DIR, 0, live[3]!).map(({ firstSequence }) => firstSequence)).toEqual(live.slice(0, 2))
    expect(planArchive(disk, DIR, 0, live[3]! + 1n).map(({ firstSequence }) => firstSequence)).toEqual(live.slice(0, 3))
    expect(planArchive(disk, DIR, 0, last + 1_000n)).toHaveLength(live.length - 1)
    expect(disk.files().size).toBe(live.length + 1)
  })

  it('stands in the archive and nowhere else, and every read finds it there', async () => {
    const { disk, last } = filled()
    const before = hashes(disk)
    const live = listSegments(disk, DIR, 0)
    const { appender } = openLog(disk, DIR, OPTIONS)
    const log = new FileEventLog({ disk, dir: DIR, partition: 0, head: appender.head() })
    const read = log.read(1n)[Symbol.asyncIterator]()
    await read.next()

    const moves = archiveSegments(disk, DIR, 0, ARCHIVE, live[5]! + 1n)
    expect(moves.map(({ firstSequence }) => firstSequence)).toEqual(live.slice(0, 5))
    expect(moves.at(-1)!.lastSequence).toBe(live[5]! - 1n)
    expect(listSegments(disk, DIR, 0)).toEqual(live.slice(5))
    expect(listSegments(disk, ARCHIVE, 0)).toEqual(live.slice(0, 5))
    expect(hashes(disk)).toEqual(before)
    for (let from = 1n; from <= last; from += 5n) {
      let found = 0n
      for await (const frame of log.read(from)) found += BigInt(frame.count)
      expect(found).toBeGreaterThan(last - from)
    }
    // A reader that listed the segments before goes on with what it finds where they are now.
    let more = 1
    while ((await read.next()).done !== true) more++
    expect(more).toBe(before.length)
    appender.close()
  })

  it('can be added to, again and again, also while the log grows', () => {
    const { disk, last } = filled()
    const first = archiveSegments(disk, DIR, 0, ARCHIVE, 20n)
    expect(archiveSegments(disk, DIR, 0, ARCHIVE, 20n)).toEqual([])
    fill(disk, DIR)
    const before = hashes(disk)
    const second = archiveSegments(disk, DIR, 0, ARCHIVE, last)
    expect(second[0]!.firstSequence).toBe(first.at(-1)!.lastSequence + 1n)
    expect(hashes(disk)).toEqual(before)
    expect(openLog(disk, DIR, OPTIONS).appender.head().sequence).toBe(last * 2n)
  })
}) // prettier-ignore

describe('an archive that cannot be it', () => {
  it('is named when events in it are asked for, and not looked at when they are not', async () => {
    const { disk, last } = filled()
    archiveSegments(disk, DIR, 0, ARCHIVE, last)
    for (const file of disk.files().keys()) if (file.startsWith(ARCHIVE)) disk.remove(file)
    expect(() => hashes(disk)).toThrow(LogArchiveMissingError)
    expect(() => hashes(disk)).toThrow(ARCHIVE)
    expect(() => readFramesAhead(disk, DIR, 0, 1n).next()).toThrow(LogArchiveMissingError)
    const opened = openLog(disk, DIR, OPTIONS)
    const log = new FileEventLog({ disk, dir: DIR, partition: 0, head: opened.appender.head() })
    let frames = 0
    for await (const _ of log.read(last)) frames++
    expect(frames).toBeGreaterThan(0)
    await expect(log.read(1n)[Symbol.asyncIterator]().next()).rejects.toThrow(LogArchiveMissingError)
  })

  it('is refused: the data folder, another log’s archive, a folder without what was archived', () => {
    const { disk, last } = filled()
    expect(() => archiveSegments(disk, DIR, 0, `${DIR}/.`, last)).toThrow(LogArchiveUnfitError)
    const other = createMemoryDisk()
    fill(other, DIR, 20)
    archiveSegments(other, DIR, 0, '/other', 20n)
    for (const [file, bytes] of other.files())
      if (file.startsWith('/other')) disk.put(file, bytes.fill(1, BLOCK_BYTES + 20, BLOCK_BYTES + 30))
    const before = disk.files()
    expect(() => archiveSegments(disk, DIR, 0, '/other', last)).toThrow(LogArchiveUnfitError)
    archiveSegments(disk, DIR, 0, ARCHIVE, 20n)
    expect(() => archiveSegments(disk, DIR, 0, '/elsewhere', last)).toThrow(LogArchiveUnfitError)
    expect(() => archiveSegments(disk, DIR, 0, '/other', last)).toThrow(LogCorruptError)
    expect(readArchivePointer(disk, DIR, 0)).toBe(ARCHIVE)
    for (const [file, bytes] of before)
      if (file.startsWith('/other')) expect(disk.files().get(file)).toEqual(bytes)
  })

  it('may have been moved: its new place is written down, also when nothing is left to move', () => {
    const { disk, last } = filled()
    const before = hashes(disk)
    archiveSegments(disk, DIR, 0, ARCHIVE, last)
    for (const file of disk.files().keys())
      if (file.startsWith(ARCHIVE)) disk.rename(file, file.replace(ARCHIVE, '/moved'))
    expect(() => hashes(disk)).toThrow(LogArchiveMissingError)
    expect(archiveSegments(disk, DIR, 0, '/moved', 0n)).toEqual([])
    expect(hashes(disk)).toEqual(before)
  })

  it('is verified by the same chain: a flipped bit, and the border between archive and log', () => {
    const { disk, last } = filled()
    const moves = archiveSegments(disk, DIR, 0, ARCHIVE, last)
    const file = segmentFile(ARCHIVE, moves.at(-1)!.firstSequence)
    const whole = disk.files().get(file)!
    const damaged = whole.slice()
    damaged[BLOCK_BYTES + 300]! ^= 4
    disk.put(file, damaged)
    expect(() => hashes(disk)).toThrow(LogCorruptError)
    expect(() => hashes(disk)).toThrow(file)
    disk.put(file, whole.subarray(0, whole.length - 2 * BLOCK_BYTES))
    expect(() => hashes(disk)).toThrow(LogCorruptError)
    disk.put(file, whole)
    expect(() => hashes(disk)).not.toThrow()
  })

  it('gets no segment that is bad', () => {
    const { disk, last } = filled()
    const live = listSegments(disk, DIR, 0)
    const file = segmentFile(DIR, live[2]!)
    const bytes = disk.files().get(file)!
    bytes[BLOCK_BYTES + 300]! ^= 4
    disk.put(file, bytes)
    expect(() => archiveSegments(disk, DIR, 0, ARCHIVE, last)).toThrow(file)
    expect(listSegments(disk, ARCHIVE, 0)).toEqual(live.slice(0, 2))
    expect(listSegments(disk, DIR, 0)).toEqual(live.slice(2))
  })
}) // prettier-ignore

describe('archiving that is killed, or whose disk fails, at any step', () => {
  it.each(['crash', 'EIO', 'ENOSPC', 'short'] as const)('%s: not a frame is lost, and the next run goes on', (fault) => {
    const whole = filled()
    const begun = whole.disk.operations()
    archiveSegments(whole.disk, DIR, 0, ARCHIVE, 20n)
    const steps = whole.disk.operations() - begun
    expect(steps).toBeGreaterThan(20)
    for (let step = 1; step <= steps; step++) {
      for (let seed = 0; seed < (fault === 'crash' ? rounds(4, 14) : 1); seed++) {
        const { disk, last } = filled()
        const before = hashes(disk)
        const at = disk.operations() + step
        disk.setFaults((_, nth) => (nth === at ? fault : undefined))
        try {
          archiveSegments(disk, DIR, 0, ARCHIVE, 20n)
        } catch (error) {
          expect((error as { code?: string }).code).toBe(fault === 'crash' ? 'EIO' : fault)
        }
        if (fault === 'crash') disk.crash(seed === 0 ? undefined : chanceOf(step * 100 + seed))
        else disk.setFaults(undefined)
        expect(hashes(disk)).toEqual(before)
        archiveSegments(disk, DIR, 0, ARCHIVE, last)
        expect(hashes(disk)).toEqual(before)
        expect(listSegments(disk, DIR, 0)).toHaveLength(1)
        disk.crash()
        expect(hashes(disk)).toEqual(before)
        expect([...disk.files().keys()].filter((file) => file.endsWith('.aside'))).toEqual([])
      }
    }
  })
}) // prettier-ignore

it('works on this machine’s disk, in an archive that may be moved', () => {
  const root = mkdtempSync(path.join(tmpdir(), 'purser-archive-'))
  try {
    const [dir, archive, moved] = ['data', 'archive', 'moved'].map((name) => path.join(root, name)) as [string, string, string]
    const last = fill(nodeDisk, dir)
    const before = hashes(nodeDisk, dir)
    archiveSegments(nodeDisk, dir, 0, archive, last)
    expect(hashes(nodeDisk, dir)).toEqual(before)
    expect([...readFramesAhead(nodeDisk, dir, 0, 1n, undefined, 0)]).toHaveLength(before.length)
    renameSync(archive, moved)
    expect(() => hashes(nodeDisk, dir)).toThrow(LogArchiveMissingError)
    archiveSegments(nodeDisk, dir, 0, moved, 0n)
    expect(hashes(nodeDisk, dir)).toEqual(before)
    expect(readdirSync(path.join(dir, logFolder(0))).filter((name) => name.endsWith('.seg'))).toHaveLength(1)
  } finally {
    rmSync(root, { recursive: true })
  }
}) // prettier-ignore

import path from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { lastSequence } from '../../../schemas/frames.ts'
import { LogError } from '../../errors.ts'
import { allFrames, appendGroup, appendIdleFrame } from '../../testing.ts'
import { createMemoryDisk, type Choose, type DiskFault, type MemoryDisk } from '../../disk/memory-disk.ts'
import { openLog, type OpenLogOptions } from './open-log.ts'
import { BLOCK_BYTES, logFolder, segmentName } from '../layout/segments.ts'
import { chanceOf } from '../../../test/support/mutations.ts'

const DIR = '/data'
const OPTIONS: OpenLogOptions = { partition: 0, segmentBytesMax: 4 * BLOCK_BYTES }

/** Writes groups of changing size until a fault stops it or they are done; returns the hashes acknowledged, in order. */
function write(disk: MemoryDisk, choose: Choose, groups: number): string[] {
  const acknowledged: string[] = []
  try {
    const opened = openLog(disk, DIR, OPTIONS)
    for (let group = 0; group < groups; group++) {
      const counts = Array.from({ length: 1 + choose(3) }, () => choose(3))
      const frames = appendGroup(opened, counts, choose(6000))
      acknowledged.push(...frames.map(({ hash }) => Buffer.from(hash).toString('hex')))
      if (choose(3) === 0) acknowledged.push(Buffer.from(appendIdleFrame(opened).hash).toString('hex'))
    }
    opened.appender.close()
  } catch (error) {
    // Opening fails with the disk's own error, everything later with a log error.
    if (!(error instanceof LogError || (error instanceof Error && 'code' in error))) throw error
  }
  return acknowledged
}

/** Opens what is there; every acknowledged frame must be there, in order, and the chain whole. */
function expectKept(disk: MemoryDisk, acknowledged: readonly string[]): string[] {
  const { appender } = openLog(disk, DIR, OPTIONS)
  const frames = allFrames(disk, DIR, 0)
  const hashes = frames.map(({ hash }) => Buffer.from(hash).toString('hex'))
  expect(hashes.slice(0, acknowledged.length)).toEqual(acknowledged)
  expect(frames.length === 0 ? 0n : lastSequence(frames.at(-1)!)).toBe(appender.head().sequence)
  appender.close()
  return hashes
}

it('whatever a crash leaves of unsynced pages and names, the log opens with all that was acknowledged', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 120 }), (seed, crashAt) => {
      const choose = chanceOf(seed)
      const disk = createMemoryDisk()
      let kept: string[] = []
      for (let life = 0; life < 4; life++) {
        const until = disk.operations() + crashAt
        disk.setFaults((_operation, nth) => (nth >= until ? 'crash' : undefined))
        kept = [...kept, ...write(disk, choose, 20)]
        disk.crash(choose)
        kept = expectKept(disk, kept)
        // What recovery showed has been shown: it may not go at the next crash.
        disk.crash()
        kept = expectKept(disk, kept)
      }
    }),
    { numRuns: 150 },
  )
})

it.each(['EIO', 'ENOSPC'] as const)('%s at any single operation: nothing acknowledged is lost', (fault) => {
  sweep(fault)
})

it('short writes are finished, whichever write it is', () => {
  const whole = createMemoryDisk()
  const all = write(whole, chanceOf(1), 8)
  for (let nth = 1; nth <= whole.operations(); nth++) {
    const disk = createMemoryDisk()
    disk.setFaults((operation, at) => (at === nth && operation === 'write' ? 'short' : undefined))
    expect(write(disk, chanceOf(1), 8)).toEqual(all)
    expectKept(disk, all)
  }
})

/** Fails the nth operation of a run, for every n; then the machine crashes, or only the process. */
function sweep(fault: DiskFault): void {
  const run = (disk: MemoryDisk): string[] => write(disk, chanceOf(1), 8)
  const whole = createMemoryDisk()
  run(whole)
  for (let nth = 1; nth <= whole.operations(); nth++) {
    for (const isMachine of [true, false]) {
      const disk = createMemoryDisk()
      disk.setFaults((_operation, at) => (at === nth ? fault : undefined))
      const acknowledged = run(disk)
      disk.setFaults(undefined)
      if (isMachine) disk.crash(chanceOf(nth))
      const kept = expectKept(disk, acknowledged)
      disk.crash()
      expectKept(disk, kept)
    }
  }
}

it('after a failed fsync the appender takes nothing more, not even what it could write', () => {
  const disk = createMemoryDisk()
  const opened = openLog(disk, DIR, OPTIONS)
  appendGroup(opened, [1])
  disk.setFaults((operation) => (operation === 'sync' ? 'EIO' : undefined))
  expect(() => appendGroup(opened, [1])).toThrow(/fdatasync failed on/)
  disk.setFaults(undefined)
  const before = disk.operations()
  expect(() => appendGroup(opened, [1])).toThrow(/fdatasync failed on/)
  expect(() => {
    opened.appender.sync()
  }).toThrow(/fdatasync failed on/)
  expect(disk.operations()).toBe(before)
})

it('frames whose fsync failed are written anew when they are found again, so that they are really there', () => {
  const disk = createMemoryDisk()
  const opened = openLog(disk, DIR, OPTIONS)
  appendGroup(opened, [1])
  disk.setFaults((operation) => (operation === 'sync' ? 'EIO' : undefined))
  expect(() => appendGroup(opened, [1])).toThrow(LogError)
  disk.setFaults(undefined)
  // The process starts again; the system still shows the pages that never reached the disk.
  expect(openLog(disk, DIR, OPTIONS).appender.head().sequence).toBe(2n)
  disk.crash()
  expect(openLog(disk, DIR, OPTIONS).appender.head().sequence).toBe(2n)
})

it('a full disk stops the log with a sentence on what to do', () => {
  const disk = createMemoryDisk()
  const opened = openLog(disk, DIR, OPTIONS)
  disk.setFaults((operation) => (operation === 'write' ? 'ENOSPC' : undefined))
  expect(() => appendGroup(opened, [1])).toThrow(/ENOSPC.*check the disk and its free space/)
})

it('the memory disk forgets what was not synced: the tests above would not see it otherwise', () => {
  const disk = createMemoryDisk()
  const opened = openLog(disk, DIR, OPTIONS)
  appendGroup(opened, [1])
  disk.setFaults((operation) => (operation === 'sync' ? 'crash' : undefined))
  expect(() => appendGroup(opened, [1])).toThrow(LogError)
  disk.crash()
  expect(openLog(disk, DIR, OPTIONS).appender.head().sequence).toBe(1n)
  expect(disk.files().get(path.join(DIR, logFolder(0), segmentName(1n)))!.length).toBe(2 * BLOCK_BYTES)
})

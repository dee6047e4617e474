/** Faults of the catalogue (docs/faults.md) at larger counts than beside the code that meets them: sectors, blocks in other places, every sync, every step of a roll. */
import path from 'node:path'
import { expect, it } from 'vitest'
import { chanceOf } from '../../../test/support/mutations.ts'
import { LogCorruptError, LogError, LogRegressedError } from '../../errors.ts'
import { allFrames, appendGroup, appendIdleFrame } from '../../log-on-disk.testing.ts'
import { createMemoryDisk, type MemoryDisk } from '../../disk/memory-disk.ts'
import { openLog, type OpenLogOptions } from './open-log.ts'
import { BLOCK_BYTES, logFolder, segmentName } from '../layout/segments.ts'

const DIR = '/data'
const OPTIONS: OpenLogOptions = { partition: 0 }
const SEGMENT = path.join(DIR, logFolder(0), segmentName(1n))
const SECTOR_BYTES = 512
const FRAMES = 23

type Files = ReadonlyMap<string, Uint8Array>

/** A log at rest with frames that fill their blocks; `firstCount` makes its history another one from the first frame on. */
function rested(firstCount = 1): Files {
  const disk = createMemoryDisk()
  const opened = openLog(disk, DIR, OPTIONS)
  for (let frame = 1; frame < FRAMES; frame++) appendGroup(opened, [frame === 1 ? firstCount : 1], 3900)
  appendIdleFrame(opened)
  opened.appender.close()
  return disk.files()
}

/** Opens the log with its segment changed: an error if it is refused, else the last sequence. */
function openedWith(files: Files, bytes: Uint8Array): LogError | bigint {
  const disk = createMemoryDisk()
  for (const [name, whole] of files) disk.put(name, name === SEGMENT ? bytes : whole)
  const before = disk.operations()
  try {
    return openLog(disk, DIR, OPTIONS).appender.head().sequence
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    expect(disk.operations()).toBe(before)
    return error
  }
}

function part(bytes: Uint8Array, index: number, partBytes: number): Uint8Array {
  return bytes.subarray(index * partBytes, (index + 1) * partBytes)
}

it('a sector that lost its bytes, or has another one’s, is refused with the place of its frame [J3]', () => {
  const files = rested()
  const whole = files.get(SEGMENT)!
  const sectors = whole.length / SECTOR_BYTES
  expect(sectors).toBe((FRAMES + 1) * 8)
  for (let to = 0; to < sectors; to++)
    for (const from of [undefined, (to + 1) % sectors, (to + 8) % sectors]) {
      const bytes = whole.slice()
      bytes.set(from === undefined ? new Uint8Array(SECTOR_BYTES) : part(whole, from, SECTOR_BYTES), to * SECTOR_BYTES) // prettier-ignore
      // Zeros over zeros, or one filling over the like, change nothing.
      if (Buffer.compare(bytes, whole) === 0) continue
      const error = openedWith(files, bytes)
      if (!(error instanceof LogCorruptError)) expect.fail(`sector ${to} by ${from}: ${String(error)}`)
      expect(error.location.byte).toBe(Math.floor((to * SECTOR_BYTES) / BLOCK_BYTES) * BLOCK_BYTES)
    }
})

it('a block written to another one’s place is refused with that place, whichever two they are [J4]', () => {
  const files = rested()
  const whole = files.get(SEGMENT)!
  let pairs = 0
  for (let from = 0; from <= FRAMES; from++)
    for (let to = 0; to <= FRAMES; to++) {
      if (from === to) continue
      pairs++
      const bytes = whole.slice()
      bytes.set(part(whole, from, BLOCK_BYTES), to * BLOCK_BYTES)
      const error = openedWith(files, bytes)
      if (!(error instanceof LogCorruptError)) expect.fail(`${from} over ${to}: ${String(error)}`)
      expect(error.location.byte).toBe(to * BLOCK_BYTES)
    }
  expect(pairs).toBeGreaterThan(500)
})

it('a write that never arrived, so that a block of another history stands there, is refused [J4]', () => {
  const files = rested()
  const whole = files.get(SEGMENT)!
  const stale = rested(2).get(SEGMENT)!
  for (let block = 1; block <= FRAMES; block++) {
    const bytes = whole.slice()
    bytes.set(part(stale, block, BLOCK_BYTES), block * BLOCK_BYTES)
    const error = openedWith(files, bytes)
    if (!(error instanceof LogCorruptError)) expect.fail(`block ${block}: ${String(error)}`)
    // The very first one is right in itself: what follows it shows that it is not this log's.
    expect(error.location.byte).toBe(Math.max(block, 2) * BLOCK_BYTES)
  }
})

it('whichever sync fails, its group is told to nobody, and all before it is there afterwards [J5]', () => {
  for (let failing = 1; failing <= 200; failing++) {
    const disk = createMemoryDisk()
    const opened = openLog(disk, DIR, { ...OPTIONS, segmentBytesMax: 16 * BLOCK_BYTES })
    let syncs = 0
    disk.setFaults((operation) => (operation === 'sync' && ++syncs === failing ? 'EIO' : undefined))
    const told: string[] = []
    const name = ({ hash }: { hash: Uint8Array }): string => Buffer.from(hash).toString('hex')
    try {
      for (;;) told.push(...appendGroup(opened, [1], 40).map(name))
    } catch (error) {
      expect((error as LogError).code).toBe('log_write_failed')
    }
    disk.setFaults(undefined)
    if (failing % 2 === 0) disk.crash(chanceOf(failing))
    openLog(disk, DIR, OPTIONS).appender.close()
    const found = allFrames(disk, DIR, 0).map(name)
    expect(found.slice(0, told.length)).toEqual(told)
    expect(found.length - told.length).toBeLessThanOrEqual(1)
  }
})

/** Rolls to a new segment with every other frame, until the disk stops it; returns the last sequence told. */
function rollUntilStopped(disk: MemoryDisk, groups: number): bigint {
  let told = 0n
  try {
    const opened = openLog(disk, DIR, { ...OPTIONS, segmentBytesMax: 3 * BLOCK_BYTES })
    for (let group = 0; group < groups; group++) {
      appendGroup(opened, [1], 40)
      told = opened.appender.durable().sequence
    }
    opened.appender.close()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
  }
  return told
}

it('a crash at any step of a roll, and again at any of the next steps, leaves the old segments or the new ones [J8]', () => {
  const whole = createMemoryDisk()
  rollUntilStopped(whole, 6)
  const steps = whole.operations()
  let rolls = 0
  for (let first = 1; first <= steps; first++)
    for (let next = 1; next <= 4; next++)
      for (let seed = 0; seed < 6; seed++) {
        const choose = chanceOf(first * 1000 + next * 100 + seed)
        const disk = createMemoryDisk()
        disk.setFaults((_operation, nth) => (nth >= first ? 'crash' : undefined))
        let told = rollUntilStopped(disk, 6)
        disk.crash(seed === 0 ? undefined : choose)
        const until = disk.operations() + next
        disk.setFaults((_operation, nth) => (nth >= until ? 'crash' : undefined))
        const again = rollUntilStopped(disk, 6)
        if (again > told) told = again
        disk.crash(seed === 0 ? undefined : choose)
        const { appender } = openLog(disk, DIR, OPTIONS)
        expect(appender.head().sequence).toBeGreaterThanOrEqual(told)
        expect(allFrames(disk, DIR, 0).length).toBe(Number(appender.head().sequence))
        if (disk.list(path.join(DIR, logFolder(0))).length > 2) rolls++
        appender.close()
      }
  expect(rolls).toBeGreaterThan(steps)
})

it('an older copy of the segments is refused with both heads, however much older it is [J11]', () => {
  const copies: Files[] = []
  const disk = createMemoryDisk()
  const opened = openLog(disk, DIR, { ...OPTIONS, segmentBytesMax: 8 * BLOCK_BYTES })
  for (let frame = 0; frame < 30; frame++) {
    appendGroup(opened, [2], 40)
    copies.push(disk.files())
  }
  const now = copies.pop()!
  for (const [index, copy] of copies.entries()) {
    const restored = createMemoryDisk()
    const head = BigInt((index + 1) * 2)
    for (const [name, bytes] of copy) if (!name.endsWith('mark')) restored.put(name, bytes)
    // The mark stayed behind, or went back as well and a snapshot or a view stayed behind.
    const mark = path.join(DIR, logFolder(0), 'mark')
    restored.put(mark, now.get(mark)!)
    const expectBoth = (options: OpenLogOptions): void => {
      try {
        openLog(restored, DIR, options)
      } catch (error) {
        if (!(error instanceof LogRegressedError)) throw error
        expect([error.headSequence, error.knownSequence]).toEqual([head, 60n])
        expect(error.message).toContain(`ends at sequence ${head}`)
        expect(error.message).toContain('sequence 60')
        return
      }
      expect.fail(`a copy of sequence ${head} was opened`)
    }
    expectBoth(OPTIONS)
    restored.put(mark, copy.get(mark)!)
    expectBoth({ ...OPTIONS, durableAtLeast: 60n })
  }
})

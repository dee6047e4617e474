import { expect, it } from 'vitest'
import type { Frame } from '../../schemas/frames.ts'
import { FRAME_BYTES_MAX } from '../../schemas/limits.ts'
import { allFrames } from '../log-on-disk.testing.ts'
import { createGroupCommit } from './group-commit.ts'
import type { CoreToLog, FrameReceipt } from '../handoff/log-messages.ts'
import { createMemoryDisk } from '../disk/memory-disk.ts'
import { openLog } from './recovery/open-log.ts'
import { createSlabShare, openSlabPool } from '../handoff/slabs.ts'

const DIR = '/data'

function setUp() {
  const disk = createMemoryDisk()
  const { appender } = openLog(disk, DIR, { partition: 0 })
  const slabs = openSlabPool(createSlabShare(4))
  const told: { frames: readonly Frame[]; receipts: readonly FrameReceipt[]; onDisk: number }[] = []
  let receipts: readonly FrameReceipt[] = []
  const groups = createGroupCommit(appender, slabs, {
    tellCore: (message) => {
      if (message.kind === 'durable') receipts = message.frames
    },
    tellMain: (message) => {
      if (message.kind !== 'frames') return
      // What a crash at this very moment would leave.
      const crashed = createMemoryDisk()
      for (const [name, bytes] of disk.durableFiles()) crashed.put(name, bytes)
      told.push({ frames: message.frames, receipts, onDisk: allFrames(crashed, DIR, 0).length })
    },
  })
  let next = 1n
  const frame = (payloadBytes = 10): CoreToLog => {
    const slab = slabs.claim()!
    return {
      kind: 'frame',
      slab,
      schemaVersion: 1,
      epoch: 1n,
      firstSequence: next++,
      count: 1,
      timeNs: 1n,
      nextCommandOffset: next,
      nextCommandIndex: 0,
      payloadBytes,
    }
  }
  const commit = (...messages: CoreToLog[]): boolean => {
    const [first, ...rest] = messages
    return groups.commit(first!, () => rest.shift())
  }
  return { disk, appender, slabs, told, groups, frame, commit }
}

it('frames are told of when they are durable, not before', () => {
  const { told, frame, commit, groups } = setUp()
  commit(frame(), frame(), frame())
  commit(frame())
  groups.rest()
  expect(told.map(({ frames, onDisk }) => [frames.length, onDisk])).toEqual([
    [3, 3],
    [1, 4],
    [1, 5],
  ])
})

it('one sync covers a group', () => {
  const { disk, frame, commit } = setUp()
  let syncs = 0
  disk.setFaults((operation) => {
    if (operation === 'sync') syncs++
    return undefined
  })
  commit(frame(), frame(), frame(), frame())
  expect(syncs).toBe(1)
})

it('where the sync fails nobody is told of anything, then or later', () => {
  const { disk, told, frame, commit, groups } = setUp()
  disk.setFaults((operation) => (operation === 'sync' ? 'EIO' : undefined))
  expect(() => commit(frame(), frame())).toThrow(/fdatasync/)
  disk.setFaults(undefined)
  expect(() => commit(frame())).toThrow(/fdatasync/)
  expect(() => {
    groups.rest()
    commit(frame())
  }).toThrow(/fdatasync/)
  expect(told).toEqual([])
})

it('frames carry what was durable when they were written, and slabs are free once they are told', () => {
  const { told, frame, commit, slabs } = setUp()
  commit(frame(), frame())
  commit(frame(), frame())
  expect(told.flatMap(({ frames }) => frames.map(({ durableSequence }) => durableSequence))).toEqual([
    0n,
    0n,
    2n,
    2n,
  ])
  for (let slab = 0; slab < slabs.slabs; slab++) expect(slabs.claim()).toBeDefined()
})

it('what an earlier frame left in a slab is neither written nor handed out', () => {
  const { disk, told, slabs, frame, commit } = setUp()
  for (let slab = 0; slab < slabs.slabs; slab++) slabs.whole(slab).fill(0xa5)
  commit(frame(9_000), frame(10))
  const frames = told.flatMap((group) => group.frames)
  expect(frames.map(({ bytes }) => [bytes.length, bytes.buffer.byteLength])).toEqual([
    [9_136, 9_136],
    [146, 146],
  ])
  // Padding that is not zero would be corruption.
  expect(allFrames(disk, DIR, 0).map(({ bytes }) => bytes.length)).toEqual([9_136, 146])
})

it('a frame that was told of does not change when its slab is used again', () => {
  const { told, frame, commit, slabs } = setUp()
  commit(frame(100))
  const before = told[0]!.frames[0]!.bytes.slice()
  for (let slab = 0; slab < slabs.slabs; slab++) slabs.whole(slab).fill(0xa5)
  expect(told[0]!.frames[0]!.bytes).toEqual(before)
})

it('a stop commits what came before it, adds the closing mark and closes', () => {
  const { disk, told, frame, commit } = setUp()
  expect(commit(frame(), frame(), { kind: 'stop' })).toBe(true)
  expect(
    told.flatMap(({ receipts }) => receipts.map(({ sequence, isIdleFrame }) => [sequence, isIdleFrame])),
  ).toEqual([
    [1n, false],
    [2n, false],
    [2n, true],
  ])
  expect(openLog(disk, DIR, { partition: 0 }).appender.head().sequence).toBe(2n)
})

it('a frame longer than a slab is broken logic', () => {
  const { frame, commit } = setUp()
  expect(() => commit(frame(FRAME_BYTES_MAX))).toThrow(/does not fit a slab/)
})

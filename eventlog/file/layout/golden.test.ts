import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { readFrame } from '../../../schemas/frames.ts'
import { nodeDigests } from '../../hashing.ts'
import { allFrames, appendGroup, appendIdleFrame } from '../../log-on-disk.testing.ts'
import { createMemoryDisk } from '../../disk/memory-disk.ts'
import { openLog } from '../recovery/open-log.ts'
import { BLOCK_BYTES, logFolder, segmentName } from './segments.ts'

/**
 * The files of a small log as they were when the format was made. Where one of these tests fails, old logs would no longer
 * open: give the format a new version instead, and keep the old one readable.
 *
 * Text form: a line `bytes N`, then `offset hex` for every run that is not zero.
 */
function golden(name: string): Uint8Array {
  const [first, ...runs] = readFileSync(new URL(`../../testdata/${name}.txt`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
  const bytes = new Uint8Array(Number(first!.split(' ')[1]))
  for (const run of runs) {
    const [offset, hex] = run.split(' ') as [string, string]
    bytes.set(Buffer.from(hex, 'hex'), Number(offset))
  }
  return bytes
}

const FOLDER = path.join('/data', logFolder(5))
const SEGMENT = path.join(FOLDER, segmentName(1n))
const MARK = path.join(FOLDER, 'mark')

it('a log is written with the bytes it always had', () => {
  const disk = createMemoryDisk()
  const opened = openLog(disk, '/data', { partition: 5 })
  appendGroup(opened, [0, 2])
  appendIdleFrame(opened)
  expect(disk.files().get(SEGMENT)).toEqual(golden('segment'))
  expect(disk.files().get(MARK)).toEqual(golden('mark'))
})

it('a log of old opens, is read, and goes on', () => {
  const disk = createMemoryDisk()
  disk.put(SEGMENT, golden('segment'))
  disk.put(MARK, golden('mark'))
  const opened = openLog(disk, '/data', { partition: 5 })
  expect(opened.report).toEqual({ framesRead: 3, cut: undefined })
  appendGroup(opened, [1])
  expect(allFrames(disk, '/data', 5).map(({ firstSequence, count }) => [firstSequence, count])).toEqual([
    [1n, 0],
    [1n, 2],
    [3n, 0],
    [3n, 1],
  ])
})

it('a frame’s header means what it always meant', () => {
  const bytes = golden('segment').subarray(2 * BLOCK_BYTES, 3 * BLOCK_BYTES)
  const reading = readFrame(bytes, 0, nodeDigests)
  expect(reading.kind === 'frame' && reading.frame).toMatchObject({
    schemaVersion: 1,
    partition: 5,
    epoch: 1n,
    firstSequence: 1n,
    count: 2,
    durableSequence: 0n,
    timeNs: 1_700_000_000_000_000_000n,
    nextCommandOffset: 2n,
    nextCommandIndex: 0,
    payloadBytes: 48,
    payload: new Uint8Array(48).fill(1),
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { Frame } from '../../schemas/frames.ts'
import { describeEventLog } from '../contract.ts'
import { LogCorruptError } from '../errors.ts'
import { openLogUnderTest } from '../log-on-disk.testing.ts'
import { nodeDisk } from '../disk/disk.ts'
import { createMemoryDisk } from '../disk/memory-disk.ts'
import { BLOCK_BYTES, logFolder, segmentName } from './layout/segments.ts'

const root = mkdtempSync(path.join(tmpdir(), 'purser-log-'))
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})
let folders = 0

describeEventLog('a log on memory disk', async () =>
  openLogUnderTest(createMemoryDisk(), '/data', { partition: 2 }),
)
describeEventLog('a log whose window holds one frame and whose segments hold three', async () =>
  openLogUnderTest(createMemoryDisk(), '/data', {
    partition: 2,
    windowBytesMax: 1,
    segmentBytesMax: 4 * BLOCK_BYTES,
  }),
)
describeEventLog('a log on this machine’s disk, its window a few frames', async () =>
  openLogUnderTest(nodeDisk, path.join(root, String(folders++)), { partition: 2, windowBytesMax: 8_000 }),
)

it('a reader of files stops at a frame that has been changed, and names the place', async () => {
  const disk = createMemoryDisk()
  const under = openLogUnderTest(disk, '/data', { partition: 2, windowBytesMax: 1 })
  for (let count = 1; count <= 4; count++) await under.append(count)
  const file = path.join('/data', logFolder(2), segmentName(1n))
  const bytes = disk.files().get(file)!
  bytes[3 * BLOCK_BYTES + 140]! ^= 1
  disk.put(file, bytes)
  const read: bigint[] = []
  const failure = await (async () => {
    for await (const frame of under.log.read(1n)) read.push(frame.firstSequence)
  })().catch((error: unknown) => error)
  expect(read).toEqual([1n, 2n])
  expect(failure).toBeInstanceOf(LogCorruptError)
  expect((failure as LogCorruptError).location).toEqual({
    file: path.join(logFolder(2), segmentName(1n)),
    byte: 3 * BLOCK_BYTES,
    sequence: 4n,
  })
})

it('live readers touch no file while they keep up; one that falls out of the window comes back by the files', async () => {
  const disk = createMemoryDisk()
  let opens = 0
  const counting = {
    ...disk,
    open: (...args: Parameters<typeof disk.open>) => {
      opens++
      return disk.open(...args)
    },
  }
  const FRAMES_KEPT = 4
  const under = openLogUnderTest(counting, '/data', {
    partition: 2,
    windowBytesMax: FRAMES_KEPT * (1024 + 136 + 600),
  })
  const abort = new AbortController()
  const tail = under.log.tail(1n, abort.signal)[Symbol.asyncIterator]()
  const next = async (): Promise<bigint> => ((await tail.next()).value as Frame).firstSequence
  const before = opens
  for (let sequence = 1n; sequence <= 10n; sequence++) {
    await under.append(1, 600)
    expect(await next()).toBe(sequence)
  }
  for (let behind = 0; behind < FRAMES_KEPT; behind++) await under.append(1, 600)
  for (let sequence = 11n; sequence <= 14n; sequence++) expect(await next()).toBe(sequence)
  expect(opens).toBe(before)
  for (let behind = 0; behind <= FRAMES_KEPT; behind++) await under.append(1, 600)
  for (let sequence = 15n; sequence <= 19n; sequence++) expect(await next()).toBe(sequence)
  expect(opens).toBe(before + 1)
  abort.abort()
})

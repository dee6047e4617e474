import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Frame } from '../../../schemas/frames.ts'
import type { LogHead } from '../../ports.ts'
import { appendGroup, appendIdleFrame } from '../../log-on-disk.testing.ts'
import { nodeDisk, type Disk } from '../../disk/disk.ts'
import { readFramesAhead } from './read-ahead.ts'
import { readFramesSync } from './reader.ts'
import { openLog } from '../recovery/open-log.ts'
import { BLOCK_BYTES, listSegments, logFolder, segmentName } from '../layout/segments.ts'

/** The disk as a thread sees it that must not read a byte of the log itself. */
const unread: Disk = {
  ...nodeDisk,
  open: (file, mode) => ({
    ...nodeDisk.open(file, mode),
    read: () => {
      throw new Error('the log was read on this thread')
    },
  }),
}

let dir: string
let head: LogHead

/** More than the windows hold, in several segments, with frames of every size and frames without events. */
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'purser-read-ahead-'))
  const log = openLog(nodeDisk, dir, { partition: 0, segmentBytesMax: 14 * 1024 * 1024 })
  for (let group = 0; group < 12; group++) {
    appendGroup(log, [100], 3_900_000)
    appendGroup(log, [1, 2], 4_100 + group)
    appendIdleFrame(log)
  }
  head = log.appender.head()
  log.appender.close()
})
afterAll(() => {
  rmSync(dir, { recursive: true })
})

/** What a reading comes to: each frame's hash and a sum over its payload, as seen while it is valid, and the end. */
function outcomeOf(reading: Generator<Frame, LogHead, undefined>): unknown[] {
  const seen: unknown[] = []
  try {
    for (;;) {
      const step = reading.next()
      if (step.done === true) return [...seen, step.value]
      const { hash, payload, count } = step.value
      seen.push([Buffer.from(hash).toString('hex'), payload[0], payload.at(-1), payload.length, count])
    }
  } catch (error) {
    return [...seen, error]
  }
}

describe('reading ahead', () => {
  it.each([1n, 2n, 102n, 700n, 1_236n])('gives the frames from %s on, all read by the other thread', (from) => {
    const expected = outcomeOf(readFramesSync(nodeDisk, dir, 0, from))
    expect(expected.length).toBeGreaterThan(1)
    expect(outcomeOf(readFramesAhead(unread, dir, 0, from, undefined, 0))).toEqual(expected)
    expect(outcomeOf(readFramesAhead(unread, dir, 0, from, head, 0))).toEqual(expected)
  })

  it('reads a short log on this thread', () => {
    expect(() => readFramesAhead(unread, dir, 0, 1n, head, 2 ** 40).next()).toThrow('read on this thread')
  })

  it('ends where it is left', () => {
    const reading = readFramesAhead(unread, dir, 0, 1n, undefined, 0)
    expect(reading.next().done).toBe(false)
    expect(reading.return(head).done).toBe(true)
    expect(reading.next().done).toBe(true)
  })

  it('names what is wrong as the single thread does, after the same frames', () => {
    const segments = listSegments(nodeDisk, dir, 0)
    expect(segments.length).toBeGreaterThan(2)
    for (const [segment, byte] of [
      [segments[0]!, BLOCK_BYTES + 200],
      [segments[1]!, 7 * 1024 * 1024],
      [segments.at(-1)!, 50],
    ] as const) {
      const file = path.join(dir, logFolder(0), segmentName(segment))
      const bytes = readFileSync(file)
      bytes[byte]! ^= 1
      writeFileSync(file, bytes)
      try {
        const expected = outcomeOf(readFramesSync(nodeDisk, dir, 0, 1n))
        expect(expected.at(-1)).toMatchObject({ code: 'log_corrupt', location: { file: expect.any(String) as string } })
        expect(outcomeOf(readFramesAhead(nodeDisk, dir, 0, 1n, undefined, 0))).toEqual(expected)
      } finally {
        bytes[byte]! ^= 1
        writeFileSync(file, bytes)
      }
    }
  })

  it('says so if the head is never reached', () => {
    const beyond: LogHead = { ...head, sequence: head.sequence + 1n, hash: new Uint8Array(32).fill(7) }
    const expected = outcomeOf(readFramesSync(nodeDisk, dir, 0, 1n, beyond))
    expect(expected.at(-1)).toMatchObject({ code: 'log_regressed' })
    expect(outcomeOf(readFramesAhead(nodeDisk, dir, 0, 1n, beyond, 0))).toEqual(expected)
  })
}) // prettier-ignore

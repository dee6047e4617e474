import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { LogCorruptError, LogError, LogRegressedError } from '../../errors.ts'
import { allFrames, appendGroup, appendIdleFrame, nextFrame } from '../../log-on-disk.testing.ts'
import { rounds } from '../../../test/support/rounds.ts'
import { createMemoryDisk, type MemoryDisk } from '../../disk/memory-disk.ts'
import { openLog, type OpenLogOptions } from './open-log.ts'
import { BLOCK_BYTES, logFolder, segmentName } from '../layout/segments.ts'

const DIR = '/data'
const OPTIONS: OpenLogOptions = { partition: 0 }
const SEGMENT = path.join(DIR, logFolder(0), segmentName(1n))
const MARK = path.join(DIR, logFolder(0), 'mark')

type Files = Map<string, Uint8Array<ArrayBuffer>>

function diskWith(files: Files): MemoryDisk {
  const disk = createMemoryDisk()
  for (const [name, bytes] of files) disk.put(name, bytes)
  return disk
}

/** The files of a log that `write` wrote. */
function written(write: (opened: ReturnType<typeof openLog>) => void): Files {
  const disk = createMemoryDisk()
  const opened = openLog(disk, DIR, OPTIONS)
  write(opened)
  opened.appender.close()
  return disk.files()
}

function without(files: Files, name: string): Files {
  return new Map([...files].filter(([other]) => other !== name))
}

function changed(
  files: Files,
  name: string,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Files {
  return new Map(files).set(name, change(files.get(name)!.slice()))
}

/** What opening comes to: the head's sequence, or the error's code; and nothing may be changed by a refusal. */
function outcome(files: Files, options = OPTIONS): { sequence: bigint } | { code: string } {
  const disk = diskWith(files)
  try {
    return { sequence: openLog(disk, DIR, options).appender.head().sequence }
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    if (disk.operations() > 0) throw new Error('a refusal changed something', { cause: error })
    return { code: error.code }
  }
}

describe('a torn tail', () => {
  it('of frames that were never synced is cut back to the last whole frame, whatever its length', () => {
    const counts = [2, 1, 3]
    const files = written((opened) => appendGroup(opened, counts, 3000))
    const crashed = without(files, MARK)
    const whole = files.get(SEGMENT)!
    expect(whole.length).toBe(4 * BLOCK_BYTES)
    const sequences = [0n, 2n, 3n, 6n]
    for (let cut = 0; cut <= whole.length; cut++) {
      const frames = Math.max(0, Math.floor(cut / BLOCK_BYTES) - 1)
      const got = outcome(changed(crashed, SEGMENT, (bytes) => bytes.slice(0, cut)))
      if (!('sequence' in got) || got.sequence !== sequences[frames])
        expect.fail(`cut at ${cut}: ${JSON.stringify(got)}`)
    }
  })

  it('is reported with file, byte and reason, and the log goes on behind it', () => {
    const files = without(
      written((opened) => appendGroup(opened, [2, 1])),
      MARK,
    )
    const disk = diskWith(changed(files, SEGMENT, (bytes) => bytes.slice(0, 2 * BLOCK_BYTES + 100)))
    const opened = openLog(disk, DIR, OPTIONS)
    expect(opened.report).toEqual({
      framesRead: 1,
      cut: {
        file: 'log/0/00000000000000000001.seg',
        byte: 2 * BLOCK_BYTES,
        bytesCut: 100,
        sequence: 3n,
        reason: 'the frame is cut off',
      },
    })
    appendGroup(opened, [4])
    expect(allFrames(disk, DIR, 0).map(({ firstSequence, count }) => [firstSequence, count])).toEqual([
      [1n, 2],
      [3n, 4],
    ])
  })

  it('that reaches into what the mark knows is refused, at every byte', () => {
    const files = written((opened) => {
      appendGroup(opened, [2, 1])
    })
    const whole = files.get(SEGMENT)!.length
    for (let cut = 0; cut < whole; cut++) {
      const got = outcome(changed(files, SEGMENT, (bytes) => bytes.slice(0, cut)))
      if (!('code' in got)) expect.fail(`cut at ${cut} went unseen: ${got.sequence}`)
    }
  })
})

describe('a flipped bit', () => {
  const short = written((opened) => {
    appendGroup(opened, [2], 300)
    appendIdleFrame(opened)
  })
  const long = written((opened) => {
    appendGroup(opened, [2], 300)
    appendGroup(opened, [1], 200)
    appendIdleFrame(opened)
  })

  /** @param bitsPerByte 8: every bit; 1: one bit of each byte, another one each time */
  function eachFlip(
    files: Files,
    name: string,
    bitsPerByte: number,
    check: (flipped: Files, byte: number) => string | undefined,
  ): void {
    const original = files.get(name)!
    for (let byte = 0; byte < original.length; byte++)
      for (let turn = 0; turn < bitsPerByte; turn++) {
        const bit = (byte + turn) % 8
        const flipped = changed(files, name, (bytes) => {
          bytes[byte]! ^= 1 << bit
          return bytes
        })
        const fault = check(flipped, byte)
        if (fault !== undefined) expect.fail(`bit ${bit} of byte ${byte} of ${name}: ${fault}`)
      }
  }
  const isRefused = (flipped: Files): string | undefined => {
    const got = outcome(flipped)
    return 'code' in got && got.code === 'log_corrupt' ? undefined : Object.values(got).join()
  }

  it('anywhere in the segment is refused, and nothing is changed', () => {
    eachFlip(short, SEGMENT, rounds(1, 8), isRefused)
    eachFlip(long, SEGMENT, 1, isRefused)
  })

  it('in the segment is refused without the mark, too, or costs nothing but the idle frame', () => {
    eachFlip(long, SEGMENT, 1, (flipped, byte) => {
      const got = outcome(without(flipped, MARK))
      if ('code' in got) return undefined
      return byte >= 3 * BLOCK_BYTES && got.sequence === 3n ? undefined : `opened at ${got.sequence}`
    })
  })

  it('in the mark never keeps a good log from opening', () => {
    eachFlip(long, MARK, 8, (flipped) => {
      const got = outcome(flipped)
      return 'sequence' in got && got.sequence === 3n ? undefined : Object.values(got).join()
    })
  })
})

describe('blocks in the wrong place', () => {
  const files = written((opened) => {
    for (let count = 1; count <= 4; count++) appendGroup(opened, [count], 3000)
    appendIdleFrame(opened)
  })
  const block = (bytes: Uint8Array, index: number): Uint8Array =>
    bytes.slice(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)

  it('a stale frame over another one is corruption, with the mark or without', () => {
    for (let from = 0; from <= 5; from++)
      for (let to = 0; to <= 5; to++) {
        if (from === to) continue
        const moved = changed(files, SEGMENT, (bytes) => {
          bytes.set(block(bytes, from), to * BLOCK_BYTES)
          return bytes
        })
        expect(outcome(moved), `${from} over ${to}`).toEqual({ code: 'log_corrupt' })
        // Without the mark only the frame behind which nothing stands may go, and that one holds no event.
        if (to < 5)
          expect(outcome(without(moved, MARK)), `${from} over ${to}`).toEqual({ code: 'log_corrupt' })
      }
  })

  it('a zeroed block is corruption', () => {
    for (let to = 0; to <= 5; to++) {
      const zeroed = changed(files, SEGMENT, (bytes) =>
        bytes.fill(0, to * BLOCK_BYTES, (to + 1) * BLOCK_BYTES),
      )
      expect(outcome(zeroed), `block ${to}`).toEqual({ code: 'log_corrupt' })
    }
  })
})

describe('an error', () => {
  it('names the segment file, the byte, and both positions', () => {
    const files = written((opened) => {
      appendGroup(opened, [2])
      appendGroup(opened, [3])
    })
    const disk = diskWith(
      changed(files, SEGMENT, (bytes) => {
        bytes[BLOCK_BYTES + 140]! ^= 1
        return bytes
      }),
    )
    expect(() => openLog(disk, DIR, OPTIONS)).toThrow(
      'The log is corrupt at sequence 1, byte 4096 of log/0/00000000000000000001.seg: checksum differs (CRC-32). ' +
        "It had been written safely up to sequence 5, so this is no crash's debris. Nothing was changed. " +
        'Restore the data folder from a backup, and look at the disk.',
    )
    expect(() => openLog(disk, DIR, OPTIONS)).toThrow(LogCorruptError)
  })
})

describe('a log that went backwards', () => {
  it('is refused if its mark knows more, or another history', () => {
    const older = written((opened) => appendGroup(opened, [2]))
    const newer = written((opened) => {
      appendGroup(opened, [2])
      appendGroup(opened, [2])
    })
    const other = written((opened) => {
      appendGroup(opened, [2], 100)
      appendGroup(opened, [2], 100)
    })
    const mixed = (segment: Files): Files => new Map(newer).set(SEGMENT, segment.get(SEGMENT)!)
    expect(outcome(mixed(older))).toEqual({ code: 'log_regressed' })
    expect(outcome(mixed(other))).toEqual({ code: 'log_regressed' })
    expect(outcome(without(newer, SEGMENT))).toEqual({ code: 'log_regressed' })
  })

  it('is refused if a snapshot or a view knows more', () => {
    const files = written((opened) => appendGroup(opened, [2]))
    expect(outcome(files, { ...OPTIONS, durableAtLeast: 2n })).toEqual({ sequence: 2n })
    expect(outcome(files, { ...OPTIONS, durableAtLeast: 3n })).toEqual({ code: 'log_regressed' })
    expect(() => openLog(diskWith(files), DIR, { ...OPTIONS, durableAtLeast: 3n })).toThrow(LogRegressedError)
    // What a view has seen was durable: then even an unmarked tail is no debris.
    const torn = changed(without(files, MARK), SEGMENT, (bytes) => bytes.slice(0, -1))
    expect(outcome(torn, { ...OPTIONS, durableAtLeast: 1n })).toEqual({ code: 'log_corrupt' })
  })
})

describe('segments', () => {
  const SMALL: OpenLogOptions = { partition: 0, segmentBytesMax: 3 * BLOCK_BYTES }

  it('roll when they are full, each named by its first sequence, and read as one log', () => {
    const disk = createMemoryDisk()
    const opened = openLog(disk, DIR, SMALL)
    for (let frame = 0; frame < 5; frame++) appendGroup(opened, [2])
    expect(disk.list(path.join(DIR, logFolder(0)))).toEqual([
      segmentName(1n),
      segmentName(5n),
      segmentName(9n),
      'mark',
    ])
    expect(allFrames(disk, DIR, 0).map(({ firstSequence }) => firstSequence)).toEqual([1n, 3n, 5n, 7n, 9n])
  })

  it('grow on frames without events rather than share a name', () => {
    const disk = createMemoryDisk()
    const opened = openLog(disk, DIR, SMALL)
    appendGroup(opened, [2])
    for (let frame = 0; frame < 5; frame++) appendGroup(opened, [0])
    appendGroup(opened, [1])
    expect(allFrames(disk, DIR, 0)).toHaveLength(7)
  })

  it('that are missing in the middle, or cut at a frame’s edge, are found by readers', () => {
    const disk = createMemoryDisk()
    const opened = openLog(disk, DIR, SMALL)
    for (let frame = 0; frame < 6; frame++) appendGroup(opened, [2])
    opened.appender.close()
    const middle = path.join(DIR, logFolder(0), segmentName(5n))
    const files = disk.files()
    expect(() => allFrames(diskWith(without(files, middle)), DIR, 0)).toThrow(
      /segment that begins with sequence 5 is missing/,
    )
    const cut = diskWith(changed(files, middle, (bytes) => bytes.slice(0, -BLOCK_BYTES)))
    expect(() => allFrames(cut, DIR, 0)).toThrow(/segment that begins with sequence 7 is missing/)
  })

  it('that were never finished are removed, and the one before goes on', () => {
    const disk = createMemoryDisk()
    const opened = openLog(disk, DIR, SMALL)
    appendGroup(opened, [2])
    appendGroup(opened, [2])
    opened.appender.close()
    const files = disk.files()
    const torn = path.join(DIR, logFolder(0), segmentName(5n))
    for (const bytes of [new Uint8Array(0), new Uint8Array(BLOCK_BYTES), new Uint8Array(700).fill(1)]) {
      const again = diskWith(new Map(files).set(torn, bytes))
      const reopened = openLog(again, DIR, SMALL)
      expect(reopened.report.cut).toMatchObject({ sequence: 5n, byte: 0, bytesCut: bytes.length })
      appendGroup(reopened, [1])
      expect(allFrames(again, DIR, 0).at(-1)).toMatchObject({ firstSequence: 5n, count: 1 })
    }
    // Its being there proves that the one before was durable to its end.
    const earlier = changed(new Map(files).set(torn, new Uint8Array(0)), SEGMENT, (bytes) =>
      bytes.slice(0, -1),
    )
    expect(outcome(without(earlier, MARK), SMALL)).toEqual({ code: 'log_corrupt' })
  })

  it('with a successor were durable to their last frame, even one without events', () => {
    const files = written((opened) => {
      appendGroup(opened, [2])
      appendGroup(opened, [0])
    })
    const torn = new Map(files).set(path.join(DIR, logFolder(0), segmentName(3n)), new Uint8Array(0))
    const damaged = changed(torn, SEGMENT, (bytes) => {
      bytes[2 * BLOCK_BYTES + 70]! ^= 1
      return bytes
    })
    expect(outcome(without(torn, MARK))).toEqual({ sequence: 2n })
    expect(outcome(without(damaged, MARK))).toEqual({ code: 'log_corrupt' })
  })
})

describe('the appender', () => {
  it('covers the frames of a group with one sync, and moves the mark only then', () => {
    const disk = createMemoryDisk()
    const syncs: string[] = []
    const { appender } = openLog(disk, DIR, OPTIONS)
    disk.setFaults((operation, _nth, file) => {
      if (operation === 'sync') syncs.push(path.basename(file))
      return undefined
    })
    for (let frame = 0; frame < 3; frame++) appender.append(nextFrame(appender.head(), 1, 10, 0n))
    expect(appender.durable().sequence).toBe(0n)
    appender.sync()
    expect(appender.durable().sequence).toBe(3n)
    expect(syncs).toEqual([segmentName(1n)])
  })

  it('refuses a frame that does not continue the chain, and everything after it', () => {
    const { appender } = openLog(createMemoryDisk(), DIR, OPTIONS)
    const first = nextFrame(appender.head(), 1)
    appender.append(first)
    expect(() => {
      appender.append(first)
    }).toThrow(/does not continue the log/)
    expect(() => {
      appender.append(nextFrame(appender.head(), 1, 10, 0n))
    }).toThrow(LogError)
  })

  it('refuses a frame that claims more durable than is', () => {
    const { appender } = openLog(createMemoryDisk(), DIR, OPTIONS)
    appender.append(nextFrame(appender.head(), 1))
    expect(() => {
      appender.append(nextFrame(appender.head(), 1, 10, 1n))
    }).toThrow(/claims more durable/)
  })
})

/**
 * A small log, and everything that one cut or one flipped bit can make of it. What opening and reading it comes to is one
 * of three things: the same frames, the same frames without the end that nobody was told of, or a refusal that names the
 * place and has changed nothing.
 */
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodeEvent } from '../../../schemas/encode-event.ts'
import { EVENT_SCHEMA_VERSION, decodeEvents, type WalletEvent } from '../../../schemas/events.ts'
import { sameBytes } from '../../../schemas/frames.ts'
import { LogCorruptError, LogRegressedError } from '../../errors.ts'
import { appendIdleFrame } from '../../log-on-disk.testing.ts'
import { rounds } from '../../../test/support/rounds.ts'
import type { Disk, DiskFile } from '../../disk/disk.ts'
import { createMemoryDisk } from '../../disk/memory-disk.ts'
import { readFramesSync } from '../read/reader.ts'
import { openLog, type OpenedLog } from './open-log.ts'
import { seal } from '../../handoff/seal.ts'
import { BLOCK_BYTES, logFolder, segmentName } from '../layout/segments.ts'

const DIR = '/data'
const PARTITION = 3
const FOLDER = path.join(DIR, logFolder(PARTITION))
const FIRST = path.join(FOLDER, segmentName(1n))
const LAST = path.join(FOLDER, segmentName(4n))
const MARK = path.join(FOLDER, 'mark')
const OPTIONS = { partition: PARTITION }

type Files = ReadonlyMap<string, Uint8Array>

/** An event with texts of these lengths. */
function event(sequence: bigint, memoBytes = 0, ownerBytes = 0): WalletEvent {
  const totals = { debitsPosted: 1n, debitsPending: 0n, creditsPosted: 9n, creditsPending: 0n }
  return {
    sequence, recordedAtNs: 5n + sequence, effectiveAtNs: 4n, receivedAtNs: 3n, kind: 'TransferPosted', command: 'Transfer',
    refusal: undefined, transferId: { high: 0x018f_0000_0000_7000n, low: sequence }, relatedId: { high: 0n, low: 0n },
    reference: { high: 1n, low: 2n }, fingerprint: 77n, currency: 'EUR', scale: 2, amount: 12n, expiresAtNs: 0n,
    debit: { number: 1, version: sequence, ...totals }, credit: { number: 2, version: sequence, ...totals },
    code: 7, partition: PARTITION, linkIndex: 0, memo: 'm'.repeat(memoBytes), owner: 'ö'.repeat(ownerBytes / 2), namedAccounts: '',
  } // prettier-ignore
}

/** Appends one frame of these events, and no sync. */
function append({ appender }: OpenedLog, events: readonly WalletEvent[]): void {
  const head = appender.head()
  const payload = Buffer.concat(events.map(encodeEvent))
  const frame = seal(
    {
      schemaVersion: EVENT_SCHEMA_VERSION,
      epoch: 2n,
      firstSequence: head.sequence + 1n,
      count: events.length,
      timeNs: 1_700_000_000_000_000_000n + head.sequence,
      nextCommandOffset: head.nextCommandOffset + BigInt(events.length),
      nextCommandIndex: 0,
      payload,
    },
    head,
    appender.durable().sequence,
  )
  appender.append(frame)
}

/** Two segments: an opening frame, rows with texts and without; then a frame each, and an end as `end` has it. */
function written(end: (opened: OpenedLog) => void): Files {
  const disk = createMemoryDisk()
  const small = openLog(disk, DIR, { ...OPTIONS, segmentBytesMax: 3 * BLOCK_BYTES })
  append(small, [])
  append(small, [event(1n, 40, 20), event(2n), event(3n, 200)])
  small.appender.sync()
  append(small, [event(4n)])
  small.appender.sync()
  small.appender.close()
  // The second segment takes whatever comes.
  const opened = openLog(disk, DIR, OPTIONS)
  end(opened)
  opened.appender.close()
  return disk.files()
}

/** Files that share what was given until they are written to, so that opening them a hundred thousand times is cheap. */
function diskOver(files: Files): { disk: Disk; changes: () => number } {
  const now = new Map(files)
  const own = new Set<string>()
  let changes = 0
  const bytesOf = (name: string): Uint8Array => {
    const bytes = now.get(name)
    if (bytes === undefined) throw Object.assign(new Error(`no ${name}`), { code: 'ENOENT' })
    return bytes
  }
  /** Bytes of this disk's own, of this length. */
  function resize(name: string, length: number): Uint8Array {
    changes++
    const before = bytesOf(name)
    if (own.has(name) && before.length === length) return before
    const resized = new Uint8Array(length)
    resized.set(before.subarray(0, length))
    now.set(name, resized)
    own.add(name)
    return resized
  }
  const file = (name: string): DiskFile => {
    const read = (into: Uint8Array, at: number): number => {
      const part = bytesOf(name).subarray(at, at + into.length)
      into.set(part)
      return part.length
    }
    return {
      write(parts, at) {
        const length = parts.reduce((sum, part) => sum + part.length, 0)
        const bytes = resize(name, Math.max(bytesOf(name).length, at + length))
        let byte = at
        for (const part of parts) {
          bytes.set(part, byte)
          byte += part.length
        }
        return length
      },
      read,
      readLater: async (into, at) => read(into, at),
      size: () => bytesOf(name).length,
      truncate: (bytes) => {
        resize(name, bytes)
      },
      sync: () => undefined,
      close: () => undefined,
    }
  }
  const names = [...files.keys()].map((name) => path.basename(name)).sort()
  const disk: Disk = {
    open(name, mode) {
      if (mode === 'create') {
        changes++
        names.push(path.basename(name))
        now.set(name, new Uint8Array(0))
      }
      bytesOf(name)
      return file(name)
    },
    list: () => names.filter((name) => now.has(path.join(FOLDER, name))),
    makeFolder: () => undefined,
    syncFolder: () => undefined,
    rename: () => expect.fail('a log renames nothing'),
    remove(name) {
      changes++
      now.delete(name)
    },
  }
  return { disk, changes: () => changes }
}

interface Kept {
  readonly kind: 'kept'
  readonly hashes: readonly Uint8Array[]
  readonly sequence: bigint
}
interface Refused {
  readonly kind: 'refused'
  readonly error: LogCorruptError | LogRegressedError
  /** True if the log opened, and reading it was refused. */
  readonly isOpened: boolean
}

/** Opens the log and reads it from its beginning, as a start and a replay do. Throws what is no answer. */
function outcome(files: Files): Kept | Refused {
  const { disk, changes } = diskOver(files)
  let isOpened = false
  try {
    const { appender } = openLog(disk, DIR, OPTIONS)
    isOpened = true
    const hashes: Uint8Array[] = []
    for (const frame of readFramesSync(disk, DIR, PARTITION, 0n, appender.head())) hashes.push(frame.hash)
    return { kind: 'kept', hashes, sequence: appender.head().sequence }
  } catch (error) {
    if (!(error instanceof LogCorruptError || error instanceof LogRegressedError)) throw error
    if (!isOpened && changes() > 0) throw new Error('a refusal changed something', { cause: error })
    return { kind: 'refused', error, isOpened }
  }
}

function cut(files: Files, name: string, length: number): Files {
  return new Map(files).set(name, files.get(name)!.subarray(0, length))
}

/** A long run flips each bit of every byte, a short one a bit of every byte, and another one each time. */
const BITS_PER_BYTE = rounds(1, 8)

/** Flips every byte of a file from byte `from` on; `check` says what is wrong with an outcome. Returns how many. */
function eachFlip(files: Files, name: string, from: number, check: (got: Kept | Refused, byte: number) => string | undefined): number {
  const bytes = files.get(name)!.slice()
  const damaged = new Map(files).set(name, bytes)
  let flips = 0
  for (let byte = from; byte < bytes.length; byte++)
    for (let turn = 0; turn < BITS_PER_BYTE; turn++) {
      const bit = (byte + turn) % 8
      bytes[byte]! ^= 1 << bit
      const fault = check(outcome(damaged), byte)
      if (fault !== undefined) expect.fail(`bit ${bit} of byte ${byte} of ${name}: ${fault}`)
      bytes[byte]! ^= 1 << bit
      flips++
    }
  return flips
} // prettier-ignore

function eachCut(files: Files, name: string, check: (got: Kept | Refused, length: number) => string | undefined): void {
  for (let length = 0; length < files.get(name)!.length; length++) {
    const fault = check(outcome(cut(files, name, length)), length)
    if (fault !== undefined) expect.fail(`${name} cut to ${length}: ${fault}`)
  }
} // prettier-ignore

/** Where the unit begins that holds a byte: every frame of this log takes one block. */
function unitAt(byte: number): number {
  return Math.floor(byte / BLOCK_BYTES) * BLOCK_BYTES
}

/** The log was opened and holds exactly the first `frames` frames of what it held; else what is wrong. */
function isFirst(all: Kept, frames: number, got: Kept | Refused): string | undefined {
  if (got.kind === 'refused') return got.error.message
  const isWhole =
    got.hashes.length === frames && got.hashes.every((hash, index) => sameBytes(hash, all.hashes[index]!))
  return isWhole ? undefined : `opened at ${got.sequence}, ${got.hashes.length} frames`
}

/** What a refusal of a damaged place has to say: the file, the unit in it, and the sequence that belongs there. */
function wrongPlace(got: Kept | Refused, name: string, byte: number): string | undefined {
  if (got.kind === 'kept') return `opened at ${got.sequence}`
  if (!(got.error instanceof LogCorruptError)) return `refused as ${got.error.code}`
  const { location } = got.error
  if (location.file !== path.relative(DIR, name) || location.byte !== unitAt(byte))
    return `refused at byte ${location.byte} of ${location.file}`
  const isSaid =
    got.error.message.includes(`sequence ${location.sequence}`) && got.error.message.includes(location.file)
  return isSaid ? undefined : got.error.message
}

/** Nobody was told of the last two frames: the process died between write and sync. */
const crashed = written((opened) => {
  append(opened, [event(5n, 10)])
  append(opened, [event(6n)])
})
/** At rest, as an orderly end leaves it. */
const rested = written((opened) => {
  append(opened, [event(5n, 10)])
  opened.appender.sync()
  appendIdleFrame(opened)
})

describe('the log under test', () => {
  it('has two segments, frames with texts, without, and without events', () => {
    expect([...rested].map(([name, bytes]) => [path.basename(name), bytes.length]).sort()).toEqual([
      [segmentName(1n), 3 * BLOCK_BYTES],
      [segmentName(4n), 4 * BLOCK_BYTES],
      ['mark', 1024],
    ])
    const { disk } = diskOver(rested)
    const frames = [...readFramesSync(disk, DIR, PARTITION, 0n)]
    expect(frames.map(({ firstSequence, count }) => [firstSequence, count])).toEqual([[1n, 0], [1n, 3], [4n, 1], [5n, 1], [6n, 0]]) // prettier-ignore
    expect(decodeEvents(frames[1]!.payload).map(({ memo, owner }) => [memo.length, owner.length])).toEqual([[40, 10], [0, 0], [200, 0]]) // prettier-ignore
    expect(outcome(rested)).toMatchObject({ kind: 'kept', sequence: 5n })
    expect(outcome(crashed)).toMatchObject({ kind: 'kept', sequence: 6n })
  })
})

describe('one flipped bit, whichever it is,', () => {
  it('in a closed segment is found, and its place is named [J3]', () => {
    const flips = eachFlip(rested, FIRST, 0, (got, byte) => wrongPlace(got, FIRST, byte))
    expect(flips).toBe(3 * BLOCK_BYTES * BITS_PER_BYTE)
  })

  it('in the last segment at rest is refused, and its place is named [J3]', () => {
    const flips = eachFlip(rested, LAST, 0, (got, byte) => wrongPlace(got, LAST, byte))
    expect(flips).toBe(4 * BLOCK_BYTES * BITS_PER_BYTE)
  })

  it('in what nobody was told of costs that and what follows it, never what was acknowledged [J3]', () => {
    const all = outcome(crashed) as Kept
    const untold = 2 * BLOCK_BYTES
    const flips = eachFlip(crashed, LAST, untold, (got, byte) =>
      isFirst(all, 2 + unitAt(byte) / BLOCK_BYTES - 1, got),
    )
    expect(flips).toBe(2 * BLOCK_BYTES * BITS_PER_BYTE)
  })

  it('in the mark costs nothing [J3]', () => {
    for (const files of [rested, crashed]) {
      const all = outcome(files) as Kept
      eachFlip(files, MARK, 0, (got) => isFirst(all, all.hashes.length, got))
    }
  })
})

describe('a cut, wherever it is,', () => {
  it('of a closed segment is found, and named where the log ends short [J1]', () => {
    eachCut(rested, FIRST, (got, length) => {
      // A cut between two frames is seen where the next segment does not continue.
      const isBetween = length >= BLOCK_BYTES && length % BLOCK_BYTES === 0
      return isBetween ? wrongPlace(got, LAST, 0) : wrongPlace(got, FIRST, length)
    })
  })

  it('of the last segment at rest is refused, by the place or by both positions [J1]', () => {
    eachCut(rested, LAST, (got, length) => {
      if (got.kind === 'kept' || !(got.error instanceof LogRegressedError))
        return wrongPlace(got, LAST, length)
      // Between two frames nothing is wrong but that the mark knows more.
      const { headSequence, knownSequence, message } = got.error
      const isSaid = message.includes(`at sequence ${headSequence}`) && message.includes('sequence 5')
      const isRight =
        length >= BLOCK_BYTES && length % BLOCK_BYTES === 0 && headSequence <= 5n && knownSequence === 5n
      return isSaid && isRight ? undefined : message
    })
  })

  it('of what nobody was told of goes back to the last whole frame, never further [J1]', () => {
    const all = outcome(crashed) as Kept
    eachCut(crashed, LAST, (got, length) => {
      const block = unitAt(length) / BLOCK_BYTES
      if (block >= 2) return isFirst(all, 2 + block - 1, got)
      return got.kind === 'refused' ? undefined : `opened at ${got.sequence}`
    })
  })

  it('of the mark costs nothing [J1]', () => {
    const all = outcome(rested) as Kept
    eachCut(rested, MARK, (got) => isFirst(all, all.hashes.length, got))
  })
})

/**
 * Every decoder that meets bytes from outside, against bytes that nobody wrote. A decoder answers or fails in the one way
 * that it promises, and takes no memory for lengths that it has only read.
 */
import { createHash } from 'node:crypto'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { LogError } from '../eventlog/errors.ts'
import { createMemoryDisk } from '../eventlog/disk/memory-disk.ts'
import { openDurableMark } from '../eventlog/file/layout/durable-mark.ts'
import { readArchivePointer } from '../eventlog/file/layout/segment-locations.ts'
import { openLog } from '../eventlog/file/recovery/open-log.ts'
import { decodeSegmentHeader, encodeSegmentHeader, emptyChain, BLOCK_BYTES, logFolder, segmentName } from '../eventlog/file/layout/segments.ts' // prettier-ignore
import { nodeDigests } from '../eventlog/hashing.ts'
import { appendGroup, appendIdleFrame, nextFrame } from '../eventlog/log-on-disk.testing.ts'
import { toCommand, readInput } from '../gateway/commands/commands.ts'
import { codeOf } from '../gateway/errors.ts'
import { CLIENT_KINDS, type ClientKind } from '../gateway/commands/inputs.ts'
import { encodeCursor, encodePosition, readCursor, readPosition } from '../gateway/positions/tokens.ts'
import { READERS } from '../gateway/commands/values.ts'
import { QueryError } from '../projectors/engine/errors.ts'
import { substituteParameters } from '../projectors/engine/statement/parameters.ts'
import { parseStatement, splitInlineData } from '../projectors/engine/statement/statement.ts'
import { decodeCommands, encodeCommands } from '../schemas/command-codec.ts'
import { COMMAND_KINDS, type Command, type CommandKind } from '../schemas/commands.ts'
import { encodeEvent } from '../schemas/encode-event.ts'
import { decodeEvents } from '../schemas/events.ts'
import { peekFrame, readFrame } from '../schemas/frames.ts'
import {
  LANE_RESULT_BYTES,
  LANE_RESULT_WORDS,
  LANE_STATUS,
  LaneResults,
  writeResult,
} from '../schemas/lane-results.ts'
import {
  ANY_PARTITION,
  encodeBusy,
  encodeHello,
  encodeSentence,
  LANE_ANSWER_BYTES_MAX,
  LANE_HEADER_BYTES,
  LANE_REQUEST_BYTES_MAX,
  LANE_TEXT_BYTES_MAX,
  LANE_VERSION,
  readHello,
  readLaneHeader,
  readSentence,
  requestHeader,
  writeLaneHeader,
} from '../schemas/lane.ts'
import { COMMAND_SLOT_BYTES, FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../schemas/limits.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { formatPosition, parsePosition } from '../schemas/positions.ts'
import { checkCommands } from '../schemas/check-commands.ts'
import { loadCore } from '../writer/core/core.ts'
import { Harness, NOW_NS, accountIdOf, idOf } from '../writer/core/harness.testing.ts'
import { readSnapshotFile, writeSnapshotFile } from '../writer/snapshots/snapshot-file.ts'
import { chanceOf, hostileBytes, hugeLengths } from './support/mutations.ts'
import { rounds } from './support/rounds.ts'

/** Inputs in all, over all decoders; a longer run says how many. */
const INPUTS = Number(process.env['PURSER_DECODER_INPUTS'] ?? rounds(30_000, 200_000))
/** What one call may take beyond its input: one frame of the largest size and change. */
const GROWTH_BYTES_MAX = 3 * FRAME_BYTES_MAX

interface Decoder {
  readonly name: string
  /** What a writer wrote. */
  readonly examples: readonly Uint8Array[]
  /** Decodes, and checks what it makes of it. */
  decode(bytes: Uint8Array): void
  /** The errors that it promises; none: it never throws. */
  readonly failures: readonly (new (...given: never[]) => Error)[]
  /** Puts checksums right again, so that what stands behind them is reached. */
  repair?(bytes: Uint8Array): void
  /** Inputs of this one for each of another: less where one takes long. */
  readonly share?: number
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
const bytesOf = (...texts: readonly string[]): Uint8Array[] =>
  texts.map((one) => new TextEncoder().encode(one))
const nothing = new Uint8Array(0)

const harness = new Harness({ partition: 0, idsPerGeneration: 64 })
const story: readonly Command[] = [
  { kind: 'OpenAccount', id: idOf(1), debit: accountIdOf(1), currency: 'EUR', scale: 2, system: true, owner: 'Žofie', memo: 'first' },
  { kind: 'OpenAccount', id: idOf(2), debit: accountIdOf(2), currency: 'EUR', scale: 2 },
  { kind: 'Transfer', id: idOf(3), debit: accountIdOf(1), credit: accountIdOf(2), currency: 'EUR', amount: 900n, memo: 'm'.repeat(200) },
  { kind: 'PlaceHold', id: idOf(4), debit: accountIdOf(2), credit: accountIdOf(1), currency: 'EUR', amount: 5n, timeoutNs: 9n },
  { kind: 'Transfer', id: idOf(5), debit: accountIdOf(7), credit: accountIdOf(2), currency: 'EUR', amount: 1n, linked: true },
  { kind: 'VoidHold', id: idOf(6), related: idOf(4) },
] // prettier-ignore
const events = harness.submit(story)
const rows = events.map((event) => encodeEvent(event))

function commandBytes(kind: CommandKind): Uint8Array {
  return encodeCommands([
    { kind, id: idOf(9), debit: accountIdOf(1), memo: 'x', currency: 'EUR', amount: 1n },
  ])
}

const LOG = path.join('/data', logFolder(0))
const SEGMENT = path.join(LOG, segmentName(1n))
const MARK = path.join(LOG, 'mark')
const logFiles = (() => {
  const disk = createMemoryDisk()
  const opened = openLog(disk, '/data', { partition: 0 })
  appendGroup(opened, [2, 1], 40)
  appendIdleFrame(opened)
  return disk.files()
})()

const SNAPSHOT = '/data/s.snap'
const snapshotBytes = (() => {
  const disk = createMemoryDisk()
  const position = { partition: 0, sequence: 6n, epoch: 1n, chainHash: new Uint8Array(32).fill(1), nextCommandOffset: 6n, nextCommandIndex: 0, takenAtNs: 1n, logOffset: 0n }
  writeSnapshotFile(disk, SNAPSHOT, { ...position, sections: harness.core.save() })
  return disk.files().get(SNAPSHOT)!
})() // prettier-ignore

const bulkItems = [
  { kind: 'transfer', id: '018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e', debitAccountId: '00000000-0000-8000-8000-000000000001', creditAccountId: '00000000-0000-8000-8000-000000000002', amount: '1250', currency: 'EUR', memo: 'lunch', effectiveAt: '2026-11-24T09:30:00.123Z', code: 7 },
  { kind: 'openAccount', accountId: '00000000-0000-8000-8000-000000000001', currency: 'USDC', scale: 6, owner: 'me', system: true },
  { kind: 'placeHold', id: '018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9f', timeoutSeconds: 60, debitAccountId: '00000000-0000-8000-8000-000000000001', creditAccountId: '00000000-0000-8000-8000-000000000002', amount: '1', currency: 'EUR' },
  { kind: 'reverseTransfer', id: '018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9f', transferId: '018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e', reference: null },
] // prettier-ignore

/** A hello, a sentence, results of each status, and a request of the binary lane. */
const laneMessages = (() => {
  const results = new Uint8Array(LANE_HEADER_BYTES + 3 * LANE_RESULT_BYTES)
  writeLaneHeader(results, 0, { kind: 'results', length: results.length, requestId: 7, count: 3, partition: 0 }) // prettier-ignore
  const words = new Int32Array(results.buffer, LANE_HEADER_BYTES)
  Object.values(LANE_STATUS).forEach((status, index) => {
    writeResult(words, index * LANE_RESULT_WORDS, status, index % 2, index, 0, 42, 0)
  })
  const hello = { version: LANE_VERSION, partitions: 1, commandsPerRequestMax: 8_192, bytesPerRequestMax: LANE_REQUEST_BYTES_MAX, requestsInFlightMax: 16 } // prettier-ignore
  return [
    encodeHello(hello),
    encodeSentence('malformed', 7, 'command 1 is of kind 77'),
    results,
    encodeBusy(7, 200),
    requestHeader(7, ANY_PARTITION, 2, 2 * COMMAND_SLOT_BYTES),
  ]
})()

/** What a door does with one item of a request: JSON, fields, command, slots; what passes, the core's own check passes. */
function throughTheDoor(json: string): void {
  let raw: unknown
  try {
    raw = JSON.parse(json)
  } catch (error) {
    if (error instanceof SyntaxError) return
    throw error
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return
  const fields = raw as Record<string, unknown>
  const kind = fields['kind']
  if (typeof kind !== 'string' || !Object.hasOwn(CLIENT_KINDS, kind)) return
  const context = {
    currencies: ISO_CURRENCIES,
    clock: () => NOW_NS,
    randomBits: () => new Uint8Array(10),
    partitions: 1,
  }
  try {
    const values = readInput(kind as ClientKind, fields, 'commands[0]')
    const command = toCommand(kind as ClientKind, values, 'commands[0]', context)
    const slots = encodeCommands([command])
    // Whom a reversal debits and credits is filled in from the view.
    const wrong = kind === 'reverseTransfer' ? undefined : checkCommands(slots, 1)
    if (wrong !== undefined) throw new Error(`passed a door: ${wrong}`)
    if (decodeCommands(slots)[0]!.memo !== command.memo) throw new Error('the memo changed')
  } catch (error) {
    if (codeOf(error) !== 'BAD_USER_INPUT') throw error
  }
}

const DECODERS: readonly Decoder[] = [
  {
    name: 'frames (schemas/frames.ts)',
    examples: [nextFrame(emptyChain(0), 2).bytes, nextFrame(emptyChain(0), 0, 0).bytes],
    decode(bytes) {
      const at = bytes.length % 3
      const peeked = peekFrame(bytes, at)
      if (peeked.kind === 'short') expect(peeked.bytesNeeded).toBeLessThanOrEqual(FRAME_HEADER_BYTES)
      if (peeked.kind === 'frame') expect(peeked.frameBytes).toBeLessThanOrEqual(FRAME_BYTES_MAX)
      const reading = readFrame(bytes, 0, nodeDigests)
      if (reading.kind === 'short') expect(reading.bytesNeeded).toBeLessThanOrEqual(FRAME_BYTES_MAX)
      if (reading.kind === 'frame') expect(reading.frame.bytes.length).toBeLessThanOrEqual(bytes.length)
    },
    failures: [],
    repair(bytes) {
      if (bytes.length < FRAME_HEADER_BYTES) return
      const payload = bytes.subarray(FRAME_HEADER_BYTES)
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      view.setUint32(60, payload.length, true)
      view.setUint32(96, nodeDigests.crc32(bytes.subarray(0, 96), payload), true)
      bytes.set(nodeDigests.sha256(bytes.subarray(0, 104), payload), 104)
    },
  },
  {
    name: 'event rows (schemas/events.ts)',
    examples: [...rows, Uint8Array.from(Buffer.concat(rows))],
    decode(bytes) {
      for (const { memo } of decodeEvents(bytes)) expect(memo.length).toBeLessThanOrEqual(256)
    },
    failures: [RangeError],
  },
  {
    name: 'commands (schemas/commands.ts)',
    examples: [encodeCommands(story), ...(Object.keys(COMMAND_KINDS) as CommandKind[]).map(commandBytes)],
    decode(bytes) {
      decodeCommands(bytes)
    },
    failures: [RangeError],
  },
  {
    name: 'commands at a binary door (schemas/check-commands.ts)',
    examples: [encodeCommands(story), ...(Object.keys(COMMAND_KINDS) as CommandKind[]).map(commandBytes)],
    decode(bytes) {
      for (const count of [1, 2, 6, bytes.length]) checkCommands(bytes, count)
    },
    failures: [],
  },
  {
    name: 'headers of the binary lane (schemas/lane.ts)',
    examples: laneMessages.map((message) => message.slice(0, LANE_HEADER_BYTES)),
    decode(bytes) {
      const at = bytes.length % 3
      const header = readLaneHeader(bytes, at)
      if (header.kind === 'bad') return
      // What a receiver takes memory for.
      expect(header.length).toBeLessThanOrEqual(
        header.kind === 'request' ? LANE_REQUEST_BYTES_MAX : LANE_ANSWER_BYTES_MAX,
      )
      const again = new Uint8Array(LANE_HEADER_BYTES)
      writeLaneHeader(again, 0, header)
      expect(again).toEqual(Uint8Array.from(bytes.subarray(at, at + LANE_HEADER_BYTES)))
    },
    failures: [],
  },
  {
    name: 'hellos and sentences of the binary lane (schemas/lane.ts)',
    examples: laneMessages.slice(0, 2).map((message) => message.slice(LANE_HEADER_BYTES)),
    decode(bytes) {
      const hello = readHello(bytes)
      if (hello !== undefined) {
        expect(hello.bytesPerRequestMax).toBeLessThanOrEqual(LANE_REQUEST_BYTES_MAX)
        expect(readHello(encodeHello(hello).subarray(LANE_HEADER_BYTES))).toEqual(hello)
      }
      expect(readSentence(bytes, LANE_TEXT_BYTES_MAX).length).toBeLessThanOrEqual(LANE_TEXT_BYTES_MAX)
    },
    failures: [],
  },
  {
    name: 'results of the binary lane (schemas/lane-results.ts)',
    examples: [laneMessages[2]!.slice(LANE_HEADER_BYTES)],
    decode(bytes) {
      // A header that was believed: its length is its count's.
      const results = new LaneResults(bytes.subarray(0, bytes.length - (bytes.length % LANE_RESULT_BYTES)))
      const { decided, refused, faults, replayed } = results.tally()
      expect(decided + faults).toBe(results.count)
      expect(refused).toBeLessThanOrEqual(decided)
      expect(replayed).toBeLessThanOrEqual(results.count)
      let known = 0
      for (let index = 0; index < results.count; index++)
        if (results.at(index) !== undefined && results.at(index)!.status !== 'fault') known++
      // A refusal with a number that this version does not know is none that it can tell.
      expect(known).toBeLessThanOrEqual(decided)
      expect(results.at(results.count)).toBeUndefined()
    },
    failures: [],
  },
  {
    name: 'segment headers (eventlog/file/layout/segments.ts)',
    examples: [encodeSegmentHeader(emptyChain(0))],
    decode(bytes) {
      decodeSegmentHeader(bytes, 0, 1n)
    },
    failures: [],
    repair(bytes) {
      if (bytes.length < BLOCK_BYTES) return
      const crc = nodeDigests.crc32(bytes.subarray(0, 80), nothing)
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(80, crc, true)
    },
    share: 0.5,
  },
  {
    name: 'segments (eventlog/file/recovery/open-log.ts)',
    examples: [logFiles.get(SEGMENT)!],
    decode(bytes) {
      const disk = createMemoryDisk()
      for (const [name, whole] of logFiles) disk.put(name, name === SEGMENT ? bytes : whole)
      openLog(disk, '/data', { partition: 0 })
    },
    failures: [LogError],
    share: 0.2,
  },
  {
    name: 'marks (eventlog/file/layout/durable-mark.ts)',
    examples: [logFiles.get(MARK)!],
    decode(bytes) {
      const disk = createMemoryDisk()
      for (const [name, whole] of logFiles) disk.put(name, name === MARK ? bytes : whole)
      openDurableMark(disk, '/data', 0)
      openLog(disk, '/data', { partition: 0 })
    },
    failures: [LogError],
    repair(bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      for (let slot = 0; slot + 512 <= bytes.length; slot += 512)
        view.setUint32(slot + 72, nodeDigests.crc32(bytes.subarray(slot, slot + 72), nothing), true)
    },
    share: 0.5,
  },
  {
    name: 'archive pointers (eventlog/file/layout/segment-locations.ts)',
    examples: bytesOf('{"folder":"/archive/1"}\n', 'null', '[{"folder":1}]'),
    decode(bytes) {
      const disk = createMemoryDisk()
      disk.put(path.join(LOG, 'archive'), bytes)
      readArchivePointer(disk, '/data', 0)
    },
    failures: [LogError],
  },
  {
    name: 'snapshots (writer/snapshots/snapshot-file.ts, writer/core/copy/state-sections.ts)',
    examples: [snapshotBytes],
    decode(bytes) {
      const disk = createMemoryDisk()
      disk.put(SNAPSHOT, bytes)
      const reading = readSnapshotFile(disk, SNAPSHOT, 0)
      if (reading.kind === 'snapshot')
        loadCore({ partition: 0, idsPerGeneration: 64 }, reading.snapshot.sections)
    },
    failures: [RangeError],
    repair(bytes) {
      if (bytes.length < 128) return
      new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(40, BigInt(bytes.length), true)
      // One chunk, and the hash of its hash.
      for (const [from, end] of [
        [0, -64],
        [-64, -32],
      ] as const)
        bytes.set(createHash('sha256').update(bytes.subarray(from, end)).digest(), bytes.length + end)
    },
    share: 0.5,
  },
  {
    name: 'positions (schemas/positions.ts)',
    examples: bytesOf('0:0', formatPosition(new Map([[0, 1042n], [7, 3n], [1023, 2n ** 63n]]))), // prettier-ignore
    decode(bytes) {
      const position = parsePosition(text(bytes))
      if (position !== undefined) expect(parsePosition(formatPosition(position))).toEqual(position)
    },
    failures: [],
  },
  {
    name: 'cursors and positions of clients (gateway/positions/tokens.ts)',
    examples: bytesOf(encodeCursor({ list: 'history', partition: 0, account: 4, sequence: 77n }, 'a1b2c3d4e5f6'), encodePosition(new Map([[0, 5n], [3, 9n]])), encodePosition(new Map([[0, 5n]]), 'a1b2c3d4e5f6')), // prettier-ignore
    decode(bytes) {
      const cursor = readCursor(text(bytes))
      if ('value' in cursor) expect(encodeCursor(cursor.value.key, cursor.value.deployment)).toBe(text(bytes))
      const reading = readPosition(text(bytes))
      if ('value' in reading)
        expect(encodePosition(reading.value.position, reading.value.deployment)).toBe(text(bytes))
    },
    failures: [],
  },
  {
    name: 'values of clients (gateway/commands/values.ts)',
    examples: bytesOf('1250', '-9223372036854775808', '2026-11-24T09:30:00.123456789+01:00', '018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e', 'EUR'), // prettier-ignore
    decode(bytes) {
      for (const reader of Object.values(READERS)) reader(text(bytes))
    },
    failures: [],
  },
  {
    name: 'commands as JSON (gateway/commands/commands.ts)',
    examples: bytesOf(...bulkItems.map((item) => JSON.stringify(item))),
    decode: (bytes) => throughTheDoor(text(bytes)),
    failures: [],
  },
  {
    name: 'statements of the engine (projectors/engine/statement/statement.ts, parameters.ts)',
    examples: bytesOf(
      "INSERT INTO t (a, b) SELECT a, b FROM input('a UInt8, b String') FORMAT RowBinary\n'x",
      "SELECT {a:UInt8}, {b:Array(String)} FROM `t` WHERE x = 'it''s' -- c\n AND y = $q$z$q$ FORMAT JSON SETTINGS a=1",
      'INSERT INTO t VALUES (1, 2); ',
    ),
    decode(bytes) {
      const { code } = splitInlineData(text(bytes))
      const values = new Map([['a', text(bytes.subarray(0, 9))], ['b', text(bytes.subarray(9, 30))]]) // prettier-ignore
      parseStatement(substituteParameters(code, values))
    },
    failures: [QueryError],
  },
]

function run(decoder: Decoder, bytes: Uint8Array): void {
  try {
    decoder.decode(bytes)
  } catch (error) {
    if (!decoder.failures.some((failure) => error instanceof failure)) throw error
  }
}

/** The decoder's inputs: what `seed` makes of its examples, with checksums put right half of the time. */
function inputOf(decoder: Decoder, seed: number): Uint8Array {
  const chance = chanceOf(seed)
  const bytes = hostileBytes(chance, decoder.examples)
  if (chance(2) === 0) decoder.repair?.(bytes)
  return bytes
}

const shares = DECODERS.reduce((sum, { share = 1 }) => sum + share, 0)

describe('bytes that nobody wrote are answered or refused in the one way promised: [K6]', () => {
  test.each(DECODERS)('$name', (decoder) => {
    for (const example of decoder.examples) run(decoder, example)
    const numRuns = Math.ceil((INPUTS * (decoder.share ?? 1)) / shares)
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        run(decoder, inputOf(decoder, seed))
      }),
      { numRuns },
    )
  })
})

describe('no memory is taken for a length that has only been read: [X2]', () => {
  test.each(DECODERS)('$name', (decoder) => {
    for (const bytes of hugeLengths(decoder.examples)) {
      decoder.repair?.(bytes)
      const before = process.memoryUsage().arrayBuffers
      run(decoder, bytes)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(GROWTH_BYTES_MAX)
    }
  })
})

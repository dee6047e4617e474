/**
 * The bulk lane's messages: what client and server say to each other over a socket, little-endian.
 *
 * A connection begins as an HTTP/1.1 upgrade (`GET /commands`, `Upgrade: purser-bulk/2`). From the 101 on both sides send
 * messages of whole 8-byte words. Each begins with a header of 16 bytes:
 *
 *   0 magic "PR" · 2 kind u8 · 3 zero u8 · 4 length u32, header included · 8 request id u32 · 12 count u16 · 14 partition u16
 *
 * | kind | from | count | behind the header |
 * | 1 hello | server | 0 | version u32 · partitions u32 · commands per request max u32 · bytes per request max u32 ·
 *   requests in flight max u32 · zero u32 |
 * | 2 request | client | commands | their slots, exactly as schemas/commands.ts lays them out |
 * | 3 results | server | commands | 16 bytes for each, in the request's order; then 16 for each that has another side |
 * | 4 busy | server | 0 | retry after u32, in ms · zero u32 |
 * | 5 malformed | server | bytes of text | a sentence in UTF-8, zeros up to a whole word |
 * | 6 wrong partition, 7 stopped, 8 bad message | server | bytes of text | likewise |
 *
 * Kinds 4 to 7 answer a request of which nothing was taken. Behind kind 8 the server closes the connection: what came was
 * no message, so where the next one begins is not known.
 *
 * Results: schemas/lane-results.ts.
 */
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES, COMMAND_SLOTS_MAX, PARTITIONS_MAX } from './limits.ts'
import { LANE_RESULT_BYTES } from './lane-results.ts'

/** What the upgrade names; the number is LANE_VERSION. */
export const LANE_PROTOCOL = 'purser-bulk/2'
export const LANE_VERSION = 2
/** Where the lane begins: the path of the upgrade. */
export const LANE_PATH = '/commands'

export const LANE_HEADER_BYTES = 16
const HELLO_BYTES = LANE_HEADER_BYTES + 24
const BUSY_BYTES = LANE_HEADER_BYTES + 8
/** "PR", as it stands in the header's first two bytes. */
const MAGIC = 0x5250

/** Bytes of the longest request: as many commands as may be, each with all its texts. */
export const LANE_REQUEST_BYTES_MAX =
  LANE_HEADER_BYTES + BATCH_COMMANDS_MAX * COMMAND_SLOTS_MAX * COMMAND_SLOT_BYTES
/** UTF-8 bytes of a sentence. */
export const LANE_TEXT_BYTES_MAX = 1_024
/** Bytes of the longest message that a server sends. */
export const LANE_ANSWER_BYTES_MAX = LANE_HEADER_BYTES + 2 * BATCH_COMMANDS_MAX * LANE_RESULT_BYTES

/** In a request's `partition`: the server is to find out where each command belongs. */
export const ANY_PARTITION = 0xffff

/** Kinds of messages by number; stable for ever. */
export const LANE_KINDS = {
  hello: 1,
  request: 2,
  results: 3,
  busy: 4,
  malformed: 5,
  wrong_partition: 6,
  stopped: 7,
  bad_message: 8,
} as const

/** Messages whose body is a sentence. */
export type LaneSentence = 'malformed' | 'wrong_partition' | 'stopped' | 'bad_message'

/** The bounds that a server tells first. */
export interface LaneHello {
  readonly version: number
  readonly partitions: number
  readonly commandsPerRequestMax: number
  readonly bytesPerRequestMax: number
  readonly requestsInFlightMax: number
}

/** A header that is well-formed: its length is within what its kind and count allow, so that it may be allocated. */
export interface LaneHeader {
  readonly kind: keyof typeof LANE_KINDS
  readonly length: number
  readonly requestId: number
  readonly count: number
  readonly partition: number
}

export type LaneHeaderReading = LaneHeader | { readonly kind: 'bad'; readonly reason: string }

const kindNames = new Map<number, LaneHeader['kind']>(
  Object.entries(LANE_KINDS).map(([name, number]) => [number, name as LaneHeader['kind']]),
)

/** Reads the header at `bytes[at]`, of which there are LANE_HEADER_BYTES. Never throws. */
export function readLaneHeader(bytes: Uint8Array, at: number): LaneHeaderReading {
  const u16 = (offset: number): number => bytes[at + offset]! | (bytes[at + offset + 1]! << 8)
  const u32 = (offset: number): number => (u16(offset) | (u16(offset + 2) << 16)) >>> 0
  if (bytes.length - at < LANE_HEADER_BYTES) return bad('a header is cut off')
  if (u16(0) !== MAGIC) return bad('no message begins here')
  const kind = kindNames.get(bytes[at + 2]!)
  if (kind === undefined || bytes[at + 3] !== 0) return bad(`there are no messages of kind ${bytes[at + 2]!}`)
  const header = { kind, length: u32(4), requestId: u32(8), count: u16(12), partition: u16(14) }
  return isLengthRight(header)
    ? header
    : bad(`a ${kind} message with count ${header.count} cannot have ${header.length} bytes`)
}

function bad(reason: string): LaneHeaderReading {
  return { kind: 'bad', reason }
}

function isLengthRight({ kind, length, count }: LaneHeader): boolean {
  switch (kind) {
    case 'hello':
      return length === HELLO_BYTES && count === 0
    case 'request': {
      const slots = (length - LANE_HEADER_BYTES) / COMMAND_SLOT_BYTES
      return (
        count >= 1 &&
        count <= BATCH_COMMANDS_MAX &&
        Number.isInteger(slots) &&
        slots >= count &&
        slots <= count * COMMAND_SLOTS_MAX
      )
    }
    case 'results': {
      const results = (length - LANE_HEADER_BYTES) / LANE_RESULT_BYTES
      return (
        count >= 1 &&
        count <= BATCH_COMMANDS_MAX &&
        Number.isInteger(results) &&
        results >= count &&
        results <= 2 * count
      )
    }
    case 'busy':
      return length === BUSY_BYTES && count === 0
    case 'malformed':
    case 'wrong_partition':
    case 'stopped':
    case 'bad_message':
      return count <= LANE_TEXT_BYTES_MAX && length === textMessageBytes(count)
  }
}

function textMessageBytes(bytes: number): number {
  return LANE_HEADER_BYTES + Math.ceil(bytes / 8) * 8
}

/** Writes a header at `bytes[at]`. */
export function writeLaneHeader(bytes: Uint8Array, at: number, header: LaneHeader): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, LANE_HEADER_BYTES)
  view.setUint16(0, MAGIC, true)
  view.setUint8(2, LANE_KINDS[header.kind])
  view.setUint8(3, 0)
  view.setUint32(4, header.length, true)
  view.setUint32(8, header.requestId, true)
  view.setUint16(12, header.count, true)
  view.setUint16(14, header.partition, true)
}

/** The header in front of `slotBytes` bytes of slots. */
export function requestHeader(
  requestId: number,
  partition: number,
  count: number,
  slotBytes: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LANE_HEADER_BYTES)
  const length = LANE_HEADER_BYTES + slotBytes
  writeLaneHeader(bytes, 0, { kind: 'request', length, requestId, count, partition })
  return bytes
}

export function encodeHello(hello: LaneHello): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HELLO_BYTES)
  writeLaneHeader(bytes, 0, { kind: 'hello', length: HELLO_BYTES, requestId: 0, count: 0, partition: 0 })
  const view = new DataView(bytes.buffer, LANE_HEADER_BYTES)
  view.setUint32(0, hello.version, true)
  view.setUint32(4, hello.partitions, true)
  view.setUint32(8, hello.commandsPerRequestMax, true)
  view.setUint32(12, hello.bytesPerRequestMax, true)
  view.setUint32(16, hello.requestsInFlightMax, true)
  return bytes
}

/** Reads the body of a hello (behind its header). Undefined where a bound is none that this version can work with. */
export function readHello(body: Uint8Array): LaneHello | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  if (body.length !== HELLO_BYTES - LANE_HEADER_BYTES) return undefined
  const hello = {
    version: view.getUint32(0, true),
    partitions: view.getUint32(4, true),
    commandsPerRequestMax: view.getUint32(8, true),
    bytesPerRequestMax: view.getUint32(12, true),
    requestsInFlightMax: view.getUint32(16, true),
  }
  const isUsable =
    hello.version === LANE_VERSION &&
    hello.partitions >= 1 &&
    hello.partitions <= PARTITIONS_MAX &&
    hello.commandsPerRequestMax >= 1 &&
    hello.commandsPerRequestMax <= BATCH_COMMANDS_MAX &&
    hello.bytesPerRequestMax >= LANE_HEADER_BYTES + COMMAND_SLOTS_MAX * COMMAND_SLOT_BYTES &&
    hello.bytesPerRequestMax <= LANE_REQUEST_BYTES_MAX &&
    hello.requestsInFlightMax >= 1
  return isUsable ? hello : undefined
}

export function encodeBusy(requestId: number, retryAfterMs: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BUSY_BYTES)
  writeLaneHeader(bytes, 0, { kind: 'busy', length: BUSY_BYTES, requestId, count: 0, partition: 0 })
  new DataView(bytes.buffer).setUint32(LANE_HEADER_BYTES, retryAfterMs, true)
  return bytes
}

/** Reads the body of a busy message: ms after which to try again. */
export function readBusy(body: Uint8Array): number {
  return new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(0, true)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8')

/** A message that is a sentence; one that is too long is cut. */
export function encodeSentence(kind: LaneSentence, requestId: number, text: string): Uint8Array<ArrayBuffer> {
  const sentence = new Uint8Array(LANE_TEXT_BYTES_MAX)
  const { written } = encoder.encodeInto(text, sentence)
  const bytes = new Uint8Array(textMessageBytes(written))
  writeLaneHeader(bytes, 0, { kind, length: bytes.length, requestId, count: written, partition: 0 })
  bytes.set(sentence.subarray(0, written), LANE_HEADER_BYTES)
  return bytes
}

/** Reads the sentence in a body. What is no UTF-8 in it becomes U+FFFD. */
export function readSentence(body: Uint8Array, count: number): string {
  return decoder.decode(body.subarray(0, count))
}

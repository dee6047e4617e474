/**
 * Which topic has a name: brokers draw a random id for each topic that is created. kafkajs does not know these ids, so this is
 * Kafka's Metadata request, big-endian, version 10, the first with ids; brokers know it from version 2.8 on. A `uvarint` has
 * seven bits a byte, the low ones first. A compact field begins with its length + 1 as a uvarint, or 0 for none:
 *
 *   request   the header of flexible versions ends with tags, uvarint (0) · topics compact (1): id 16 bytes (0), name compact,
 *             tags · may be created u8 (0) · rights of the cluster u8 (0) · rights of the topic u8 (0) · tags
 *   answer    tags · throttle ms i32 · brokers compact: node i32, host compact, port i32, rack compact, tags ·
 *             cluster compact · controller i32 · topics compact (1): error i16, name compact, id 16 bytes, …
 */

export const METADATA_API_KEY = 3
export const IDENTITY_API_VERSION = 10
const ID_BYTES = 16

export interface TopicIdentity {
  /** Kafka's number; 0: none. */
  readonly errorCode: number
  /** 16 bytes, a copy. All zero: the broker knows no topic ids. */
  readonly id: Uint8Array
}

/**
 * The whole request as it goes into the socket.
 * @param header the request's header as older versions have it; the size in front of it is written here
 */
export function encodeIdentityRequest(header: Uint8Array, topic: string): Buffer {
  const name = Buffer.from(topic)
  const length = uvarint(name.length + 1)
  const body = Buffer.concat([
    Buffer.of(0, 2),
    Buffer.alloc(ID_BYTES),
    length,
    name,
    // Tags of the topic; what may be done, and told; tags of the request.
    Buffer.alloc(5),
  ])
  const out = Buffer.allocUnsafe(4 + header.length + body.length)
  out.writeInt32BE(header.length + body.length, 0)
  out.set(header, 4)
  out.set(body, 4 + header.length)
  return out
}

/** @param answer behind its correlation id. @throws RangeError if it is cut off, or does not tell of the topic */
export function decodeIdentityAnswer(answer: Buffer): TopicIdentity {
  const reader = new Reader(answer)
  reader.tags()
  reader.skip(4)
  for (let brokers = reader.count(); brokers > 0; brokers--) {
    reader.skip(4)
    reader.skip(reader.count())
    reader.skip(4)
    reader.skip(reader.count())
    reader.tags()
  }
  reader.skip(reader.count())
  reader.skip(4)
  if (reader.count() < 1) throw new RangeError('the answer does not tell of the topic')
  const errorCode = reader.i16()
  reader.skip(reader.count())
  return { errorCode, id: reader.bytes(ID_BYTES) }
}

class Reader {
  private at = 0
  private readonly from: Buffer

  constructor(from: Buffer) {
    this.from = from
  }

  /** A compact length: the number of items or bytes that follow. */
  count(): number {
    return Math.max(0, this.uvarint() - 1)
  }

  i16(): number {
    this.skip(2)
    return this.from.readInt16BE(this.at - 2)
  }

  bytes(count: number): Uint8Array {
    this.skip(count)
    return new Uint8Array(this.from.subarray(this.at - count, this.at))
  }

  tags(): void {
    for (let tags = this.uvarint(); tags > 0; tags--) {
      this.uvarint()
      this.skip(this.uvarint())
    }
  }

  skip(bytes: number): void {
    this.at += bytes
    if (this.at > this.from.length) throw new RangeError('the answer about a topic is cut off')
  }

  private uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      this.skip(1)
      const byte = this.from[this.at - 1]!
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number in the answer about a topic has no end')
  }
}

function uvarint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
  return Buffer.from([...bytes, value])
}

/** As Kafka's tools show it: 22 characters. */
export function formatTopicId(id: Uint8Array): string {
  return Buffer.from(id).toString('base64url')
}

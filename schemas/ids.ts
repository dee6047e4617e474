/**
 * 128-bit identifiers: account ids (any UUID, chosen by the client) and transfer ids (UUIDv7, chosen by the client).
 *
 * In memory an id is two unsigned 64-bit halves, most significant first, which is also how ClickHouse's RowBinary
 * lays out a UUID: each half little-endian. Text form and version bits: RFC 9562.
 */

/** A 128-bit id as two unsigned 64-bit halves. `{ high: 0n, low: 0n }` is the nil id: "none". */
export interface Id {
  readonly high: bigint
  readonly low: bigint
}

export const NIL_ID: Id = { high: 0n, low: 0n }

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Reads a UUID in its canonical text form (36 characters, either case). Returns undefined for anything else. */
export function parseId(text: string): Id | undefined {
  if (text.length !== 36 || !UUID_TEXT.test(text)) return undefined
  const hex = text.replaceAll('-', '')
  return { high: BigInt(`0x${hex.slice(0, 16)}`), low: BigInt(`0x${hex.slice(16)}`) }
}

/** Writes an id in canonical lower-case text form. */
export function formatId(id: Id): string {
  const high = BigInt.asUintN(64, id.high).toString(16).padStart(16, '0')
  const low = BigInt.asUintN(64, id.low).toString(16).padStart(16, '0')
  return `${high.slice(0, 8)}-${high.slice(8, 12)}-${high.slice(12)}-${low.slice(0, 4)}-${low.slice(4)}`
}

export function isNilId(id: Id): boolean {
  return id.high === 0n && id.low === 0n
}

export function sameId(left: Id, right: Id): boolean {
  return left.high === right.high && left.low === right.low
}

/** True if the id's version is 7 and its variant the one of RFC 9562: what a transfer id has to be. */
export function isUuidV7(id: Id): boolean {
  return ((id.high >> 12n) & 0xfn) === 7n && ((id.low >> 62n) & 3n) === 2n
}

/** The same of an id that stands in 32-bit words at `at`, as commands and events carry it: no object, no bigint. */
export function isUuidV7At(words32: Int32Array, at: number): boolean {
  return (words32[at]! & 0xf000) === 0x7000 && words32[at + 3]! >>> 30 === 2
}

/** Milliseconds since 1970 that a UUIDv7 carries in its first 48 bits. */
export function uuidV7TimeMs(id: Id): number {
  return Number(id.high >> 16n)
}

/**
 * Makes a UUIDv7 of a time and 74 bits that the caller supplies (random, or derived where ids have to repeat).
 * @param timeMs milliseconds since 1970, 48 bits
 * @param bits at least ten bytes; 74 bits of them are used
 */
export function makeUuidV7(timeMs: number, bits: Uint8Array): Id {
  const view = new DataView(bits.buffer, bits.byteOffset, bits.byteLength)
  const randA = BigInt(view.getUint16(0) & 0xfff)
  const randB = view.getBigUint64(2) & 0x3fff_ffff_ffff_ffffn
  return {
    high: (BigInt(timeMs) << 16n) | 0x7000n | randA,
    low: (2n << 62n) | randB,
  }
}

/** Makes a UUIDv8 (RFC 9562, "custom") of 16 bytes of a digest: how ids are derived from other systems' names. */
export function makeUuidV8(digest: Uint8Array): Id {
  const view = new DataView(digest.buffer, digest.byteOffset, digest.byteLength)
  return {
    high: (view.getBigUint64(0) & ~0xf000n) | 0x8000n,
    low: (view.getBigUint64(8) & 0x3fff_ffff_ffff_ffffn) | (2n << 62n),
  }
}

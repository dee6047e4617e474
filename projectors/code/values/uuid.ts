/** UUIDs between their text and ClickHouse's bytes: two halves, each little-endian. Once or twice an event, so no bigint. */

const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'))

/** Bytes in the order in which the text names them. */
const TEXT_ORDER = [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8] as const

/** The canonical lower-case text of the 16 bytes at `byte`. */
export function uuidAt(bytes: Uint8Array, byte: number): string {
  const hex = (index: number): string => HEX[bytes[byte + TEXT_ORDER[index]!]!]!
  return (
    hex(0) + hex(1) + hex(2) + hex(3) + '-' + hex(4) + hex(5) + '-' + hex(6) + hex(7) + '-' +
    hex(8) + hex(9) + '-' + hex(10) + hex(11) + hex(12) + hex(13) + hex(14) + hex(15)
  ) // prettier-ignore
}

/** Where the 32 digits stand in the text. */
const DIGITS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const
const DASHES = [8, 13, 18, 23] as const
const DASH = 0x2d

/** Writes a UUID's text, in either case, as 16 bytes at `byte`. @returns false if it is none */
export function putUuid(bytes: Uint8Array, byte: number, text: string): boolean {
  if (text.length !== 36) return false
  for (const dash of DASHES) if (text.charCodeAt(dash) !== DASH) return false
  for (let index = 0; index < 16; index++) {
    const at = DIGITS[index]!
    const value = (digit(text.charCodeAt(at)) << 4) | digit(text.charCodeAt(at + 1))
    if (value < 0) return false
    bytes[byte + TEXT_ORDER[index]!] = value
  }
  return true
}

/** The value of a hexadecimal digit; negative if it is none. */
function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

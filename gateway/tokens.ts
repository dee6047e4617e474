/** Positions and cursors as clients see them: opaque, versioned text that they hand back and compare for equality. */
import { formatPosition, parsePosition, type Position } from '../schemas/positions.ts'
import { PARTITIONS_MAX } from '../schemas/limits.ts'

const POSITION_PREFIX = 'p1_'
const CURSOR_PREFIX = 'c1_'
/** Longer than any token made here: checked before anything is decoded. */
const TOKEN_CHARACTERS_MAX = 40 * PARTITIONS_MAX
const BASE64URL = /^[A-Za-z0-9_-]+$/

export function encodePosition(position: Position): string {
  return POSITION_PREFIX + Buffer.from(formatPosition(position)).toString('base64url')
}

/** Reads a position made here; undefined for anything else. */
export function decodePosition(token: string): Position | undefined {
  const text = decode(POSITION_PREFIX, token)
  return text === undefined ? undefined : parsePosition(text)
}

/** One place in the log, within one partition. */
export interface Place {
  readonly partition: number
  readonly sequence: bigint
}

/** A cursor is a place in the log: it cannot repeat, be re-ordered, or tie. */
export function encodeCursor(place: Place): string {
  return CURSOR_PREFIX + Buffer.from(`${place.partition}:${place.sequence}`).toString('base64url')
}

export function decodeCursor(token: string): Place | undefined {
  const text = decode(CURSOR_PREFIX, token)
  const position = text === undefined || text.includes(',') ? undefined : parsePosition(text)
  const first = position?.entries().next().value
  return first === undefined ? undefined : { partition: first[0], sequence: first[1] }
}

/** The position that one place stands for. */
export function placePosition(place: Place): Position {
  return new Map([[place.partition, place.sequence]])
}

function decode(prefix: string, token: string): string | undefined {
  if (token.length > TOKEN_CHARACTERS_MAX || !token.startsWith(prefix)) return undefined
  const body = token.slice(prefix.length)
  return BASE64URL.test(body) ? Buffer.from(body, 'base64url').toString('latin1') : undefined
}

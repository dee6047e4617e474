/**
 * Positions and cursors as clients see them: opaque, versioned text that they hand back and compare for equality. A
 * token names the deployment that it belongs to; a cursor also names its list. deployment-tokens.ts decides whether a
 * token fits.
 *
 * `p2_` + base64url of `DEPLOYMENT/0:1042,1:7`. `p1_` + base64url of `0:1042,1:7`: names no deployment. It was made by
 * an earlier version, by a tool beside the log, or before there was a first frame. `c2_` + base64url of
 * `DEPLOYMENT/history/PARTITION:ACCOUNT:SEQUENCE` or `DEPLOYMENT/accounts/PARTITION:ACCOUNT:SEQUENCE:OWNER`.
 */
import { formatPosition, parsePosition, type Position } from '../../schemas/positions.ts'
import { PARTITIONS_MAX } from '../../schemas/limits.ts'

const POSITION_PREFIX = 'p2_'
const POSITION_PREFIX_UNSAID = 'p1_'
const CURSOR_PREFIX = 'c2_'
const CURSOR_PREFIX_OLD = 'c1_'
/** Longer than any token made here. Checked before anything is decoded. */
const TOKEN_CHARACTERS_MAX = 40 * PARTITIONS_MAX
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** The first bytes of the hash of a deployment's first frame, in hexadecimal (deployment.ts). */
export const DEPLOYMENT_BYTES = 6
/** The first bytes of the hash of an owner, in hexadecimal (deployment-tokens.ts). */
export const OWNER_TAG_BYTES = 6
const POSITION_TEXT = /^([0-9a-f]{12})\/([\d:,]+)$/
const CURSOR_TEXT =
  /^([0-9a-f]{12})?\/(history|accounts)\/(\d{1,4}):(\d{1,10}):(\d{1,19})(?::([0-9a-f]{12}))?$/

/** Where one event stands in the log. */
export interface PartitionSequence {
  readonly partition: number
  readonly sequence: bigint
}

/** Where a row stands in a list. It is a partition sequence, so it cannot repeat, be re-ordered, or tie. */
export type CursorKey = HistoryCursorKey | AccountsCursorKey

/** An entry in an account's history. */
export interface HistoryCursorKey extends PartitionSequence {
  readonly list: 'history'
  /** The account's number in the partition. */
  readonly account: number
}

/** An account in an owner's list. Its partition sequence is that of its opening. */
export interface AccountsCursorKey extends PartitionSequence {
  readonly list: 'accounts'
  readonly account: number
  /** The owner's tag. */
  readonly owner: string
}

/** A position that a client gave. `deployment` is undefined if the token names none. */
export interface PositionToken {
  readonly position: Position
  readonly deployment: string | undefined
}

export interface CursorToken {
  readonly key: CursorKey
  readonly deployment: string | undefined
}

/** The content of a token, or what is wrong with it, for people. */
export type TokenReading<Token> = { readonly value: Token } | { readonly wrong: string }

/** @param deployment undefined if it is not known */
export function encodePosition(position: Position, deployment?: string): string {
  const text = formatPosition(position)
  return deployment === undefined
    ? POSITION_PREFIX_UNSAID + encoded(text)
    : POSITION_PREFIX + encoded(`${deployment}/${text}`)
}

/** Reads a position made here. */
export function readPosition(token: string): TokenReading<PositionToken> {
  if (token.startsWith(CURSOR_PREFIX) || token.startsWith(CURSOR_PREFIX_OLD))
    return { wrong: 'This is a cursor of a list. Give a position: the field "position" of an answer.' }
  const wrong = { wrong: 'This is no position. Give one as an earlier answer gave it, whole and unchanged.' }
  const unsaid = decoded(POSITION_PREFIX_UNSAID, token)
  const said = POSITION_TEXT.exec(decoded(POSITION_PREFIX, token) ?? '')
  const position = parsePosition(unsaid ?? said?.[2] ?? '')
  if (position === undefined) return wrong
  const deployment = said?.[1]
  // Clients compare tokens, so each position has one text: no leading zeros, no other order, no stray bits.
  return encodePosition(position, deployment) === token ? { value: { position, deployment } } : wrong
}

/** The position in a token of any deployment; undefined for anything else. For tools beside the log. */
export function decodePosition(token: string): Position | undefined {
  const reading = readPosition(token)
  return 'value' in reading ? reading.value.position : undefined
}

export function encodeCursor(key: CursorKey, deployment?: string): string {
  const { list, partition, account, sequence } = key
  const owner = key.list === 'accounts' ? `:${key.owner}` : ''
  return CURSOR_PREFIX + encoded(`${deployment ?? ''}/${list}/${partition}:${account}:${sequence}${owner}`)
}

/** Reads a cursor made here. */
export function readCursor(token: string): TokenReading<CursorToken> {
  if (token.startsWith(POSITION_PREFIX) || token.startsWith(POSITION_PREFIX_UNSAID))
    return { wrong: 'This is a position. Give a cursor: the field "cursor" of an entry of the list.' }
  if (token.startsWith(CURSOR_PREFIX_OLD))
    return { wrong: 'This cursor is of an earlier version. Read the list from its start again.' }
  const wrong = { wrong: 'This is no cursor. Give one as an earlier page gave it, whole and unchanged.' }
  const parts = CURSOR_TEXT.exec(decoded(CURSOR_PREFIX, token) ?? '')
  if (parts === null) return wrong
  const [, deployment, list, partition, account, sequence, owner] = parts
  const key = { partition: Number(partition), account: Number(account), sequence: BigInt(sequence!) }
  if ((list === 'accounts') !== (owner !== undefined) || key.account > 0xffff_ffff) return wrong
  const value: CursorToken = {
    key: owner === undefined ? { list: 'history', ...key } : { list: 'accounts', ...key, owner },
    deployment,
  }
  return encodeCursor(value.key, deployment) === token ? { value } : wrong
}

/** The position that ends at a partition sequence. */
export function positionAt(at: PartitionSequence): Position {
  return new Map([[at.partition, at.sequence]])
}

function encoded(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64url')
}

function decoded(prefix: string, token: string): string | undefined {
  if (token.length > TOKEN_CHARACTERS_MAX || !token.startsWith(prefix)) return undefined
  const body = token.slice(prefix.length)
  return BASE64URL.test(body) ? Buffer.from(body, 'base64url').toString('latin1') : undefined
}

/**
 * How names of other systems become ids here, so that anyone can compute them again: `purser id account NAME`.
 *
 * - Account: a UUID is taken as it is. Any other name becomes the UUIDv8 of SHA-256("purser:account:" + name).
 * - Reference: likewise, with "purser:reference:".
 * - Row of an import: the UUIDv7 whose time is a base time of the import and whose other bits come from
 *   SHA-256("purser:row:" + import name + "\0" + kind + "\0" + row id). Hashes are over UTF-8.
 */
import { hash } from 'node:crypto'
import { formatId, makeUuidV7, makeUuidV8, NIL_ID, parseId, type Id } from '../schemas/ids.ts'

/** UTF-8 bytes of a name of another system. */
export const NAME_BYTES_MAX = 128

/** What stands in a text where a character could not be read: names that differed there have become one. */
const LOST_CHARACTER = '\uFFFD'

/** The nil UUID stands for "none" wherever programs write UUIDs: it names nothing here. */
const NIL_NAME = formatId(NIL_ID)

/** What a name has to be, for sentences. */
export const EXTERNAL_NAME_WANTED = `text of 1 to ${NAME_BYTES_MAX} bytes, with no character lost, and not the nil UUID`

/**
 * Whether a text can name something of another system. Names are compared byte for byte: "é" in one piece and "e" with an
 * accent behind it are two names.
 */
export function isExternalName(name: string): boolean {
  return (
    name !== '' &&
    name !== NIL_NAME &&
    Buffer.byteLength(name) <= NAME_BYTES_MAX &&
    name.isWellFormed() &&
    !name.includes('\0') &&
    !name.includes(LOST_CHARACTER)
  )
}

/** The id of the account that another system calls `name`. */
export function accountId(name: string): Id {
  return named('account', name)
}

/** The same as text. */
export function accountIdOf(name: string): string {
  return formatId(accountId(name))
}

/** The reference that another system calls `name`. */
export function referenceId(name: string): Id {
  return named('reference', name)
}

/** The same as text. */
export function referenceIdOf(name: string): string {
  return formatId(referenceId(name))
}

function named(kind: 'account' | 'reference', name: string): Id {
  return parseId(name) ?? makeUuidV8(sha256(`purser:${kind}:${name}`))
}

/** The bits that an import's row has for ever, whatever its base time: 32 bytes. */
export function rowDigest(importName: string, kind: 'account' | 'transfer', rowId: string): Buffer {
  return sha256(`purser:row:${importName}\0${kind}\0${rowId}`)
}

/** A row's command id under one base time (milliseconds since 1970). */
export function rowCommandId(digest: Uint8Array, baseTimeMs: number): Id {
  return makeUuidV7(baseTimeMs, digest)
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

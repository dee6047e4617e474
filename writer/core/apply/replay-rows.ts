/**
 * Replays event rows: each one has to continue the state exactly, and then goes through the same `apply` as live ones.
 *
 * Rows are looked at ahead, 64 at a time, as commands are (`block.ts`): where each begins, the hash of its id, and one
 * read of all the memory that applying them is going to need, so that the cache misses of many rows overlap.
 */
import { EVENT_KINDS, EVENT_KIND_NAMES, ROW, eventRowBytes } from '../../../schemas/events.ts'
import { EVENT_ROW_BYTES } from '../../../schemas/limits.ts'
import { LINE_WORDS } from '../state/account-lines.ts'
import {
  changeState,
  creditNumber,
  debitNumber,
  kindOf,
  refusalNumberOf,
  rememberHashed,
  type RowWords,
} from './apply.ts'
import { CoreBrokenError } from '../broken.ts'
import { hashId } from '../state/hash-id.ts'
import { CLOCK, type CoreState } from '../state/state.ts'

const BLOCK_ROWS = 64

/** The rows of a block: where each begins, in words, and the hash of its id. */
const rowWords = new Int32Array(BLOCK_ROWS)
const idHashes = new Int32Array(BLOCK_ROWS)
/** Numbers of the rows' accounts, debit and credit; 0 where there is none. */
const numbers = new Int32Array(BLOCK_ROWS * 2)
/** Hashes of the ids of the accounts that the block opens. */
const openedHashes = new Int32Array(BLOCK_ROWS)
/** What was read ahead, folded, so that the reads are not optimised away. */
const touched = new Int32Array(1)

/** Applies every row of a payload. Throws CoreBrokenError at the first one that does not continue the state. */
export function replayRows(state: CoreState, partition: number, payload: Uint8Array): void {
  if (payload.length % 8 !== 0) throw new CoreBrokenError('a payload is not whole words')
  const bytes = payload.byteOffset % 8 === 0 ? payload : payload.slice()
  const rows: RowWords = {
    bytes,
    words: new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8),
    words32: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
  }
  let byte = 0
  while (byte < bytes.length) {
    let count = 0
    for (; count < BLOCK_ROWS && byte < bytes.length; count++) {
      const length = rowBytesAt(bytes, rows, byte)
      rowWords[count] = byte >>> 3
      byte += length
    }
    look(state, rows, count)
    for (let index = 0; index < count; index++) {
      const word = rowWords[index]!
      checkContinues(state, partition, rows, word)
      changeState(state, rows, word)
      rememberHashed(state, rows, word, idHashes[index]!)
    }
  }
}

/** Bytes of the row at `byte`, its texts checked. Most rows have none, which four zero bytes say. */
function rowBytesAt(bytes: Uint8Array, rows: RowWords, byte: number): number {
  if (byte + EVENT_ROW_BYTES > bytes.length) throw new CoreBrokenError('an event row is cut off')
  if (rows.words32[((byte >>> 3) + ROW.partitionLinkTexts) * 2 + 1] === 0) return EVENT_ROW_BYTES
  try {
    return eventRowBytes(bytes, byte)
  } catch (cause) {
    throw new CoreBrokenError('an event row has malformed texts', { cause })
  }
}

/** Hashes the block's ids and reads what applying it will read first. No effect on the state. */
function look(state: CoreState, rows: RowWords, count: number): void {
  const { accounts, remembered } = state
  const numberMax = accounts.count
  let opened = 0
  for (let index = 0; index < count; index++) {
    const word = rowWords[index]!
    idHashes[index] = hashId(rows.words32, (word + ROW.transferHigh) * 2)
    const debit = debitNumber(rows, word)
    const credit = creditNumber(rows, word)
    numbers[index * 2] = debit > 0 && debit <= numberMax ? debit : 0
    numbers[index * 2 + 1] = credit > 0 && credit <= numberMax ? credit : 0
    if (kindOf(rows, word) === EVENT_KINDS.AccountOpened)
      openedHashes[opened++] = hashId(rows.words32, (word + ROW.relatedHigh) * 2)
  }
  // Loops of little else than loads: the processor has many of them under way at a time.
  touched[0]! ^=
    remembered.touchYounger(idHashes, count) ^
    accounts.touchNumbers(numbers, count * 2) ^
    accounts.touchIndex(openedHashes, opened)
}

function checkContinues(state: CoreState, partition: number, rows: RowWords, word: number): void {
  const { words, words32 } = rows
  const { clock } = state
  if (words[word + ROW.sequence]! !== BigInt.asIntN(64, clock[CLOCK.sequence]! + 1n))
    broken(state, rows, word, 'its sequence is not the next')
  if (words[word + ROW.recordedAt]! <= clock[CLOCK.recordedAt]!)
    broken(state, rows, word, 'its time is not later')
  if ((words32[(word + ROW.partitionLinkTexts) * 2]! & 0xffff) !== partition)
    broken(state, rows, word, 'it is of another partition')
  const kind = kindOf(rows, word)
  if (kind === EVENT_KINDS.AccountOpened) return
  if (kind !== EVENT_KINDS.TransferPosted && !EVENT_KIND_NAMES.has(kind))
    broken(state, rows, word, `its kind ${kind} is unknown`)
  const steps = refusalNumberOf(rows, word) === 0 ? 1 : 0
  checkVersion(state, rows, word, debitNumber(rows, word), word + ROW.debitVersion, steps)
  checkVersion(state, rows, word, creditNumber(rows, word), word + ROW.creditVersion, steps)
}

function checkVersion(
  state: CoreState,
  rows: RowWords,
  word: number,
  number: number,
  at: number,
  steps: number,
): void {
  if (number === 0) return
  if (number < 0 || number > state.accounts.count) broken(state, rows, word, `it names account ${number}`)
  // In halves of 32 bits: a comparison of whole words would make two big integers of them.
  const lines32 = state.accounts.words32
  const line = number * (LINE_WORDS * 2)
  const low = (lines32[line]! + steps) | 0
  const high = (lines32[line + 1]! + (low === 0 ? steps : 0)) | 0
  if (rows.words32[at * 2] !== low || rows.words32[at * 2 + 1] !== high)
    broken(state, rows, word, `account ${number} is at version ${state.accounts.words[number * LINE_WORDS]!}`)
}

function broken(state: CoreState, rows: RowWords, word: number, what: string): never {
  throw new CoreBrokenError(
    `event ${rows.words[word + ROW.sequence]!} does not continue event ${state.clock[CLOCK.sequence]!}: ${what}`,
  )
}

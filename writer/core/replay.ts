/** Replays event rows: each one has to continue the state exactly, and then goes through the same `apply` as live ones. */
import { EVENT_KINDS, EVENT_KIND_NAMES, ROW, eventRowBytes } from '../../schemas/events.ts'
import { EVENT_ROW_BYTES } from '../../schemas/limits.ts'
import { LINE_WORDS } from './accounts.ts'
import { applyRow, creditNumber, debitNumber, kindOf, refusalNumberOf, type RowWords } from './apply.ts'
import { CoreBrokenError } from './broken.ts'
import { CLOCK, type CoreState } from './state.ts'

/** Applies every row of a payload. Throws CoreBrokenError at the first one that does not continue the state. */
export function replay(state: CoreState, partition: number, payload: Uint8Array): void {
  if (payload.length % 8 !== 0) throw new CoreBrokenError('a payload is not whole words')
  const bytes = payload.byteOffset % 8 === 0 ? payload : payload.slice()
  const rows: RowWords = {
    words: new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8),
    words32: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
  }
  for (let byte = 0; byte < bytes.length;) {
    const end = byte + rowBytesAt(bytes, rows, byte)
    checkContinues(state, partition, rows, byte / 8)
    applyRow(state, rows, byte / 8)
    byte = end
  }
}

/** Bytes of the row at `byte`, its texts checked. Most rows have none, which four zero bytes say. */
function rowBytesAt(bytes: Uint8Array, rows: RowWords, byte: number): number {
  if (byte + EVENT_ROW_BYTES > bytes.length) throw new CoreBrokenError('an event row is cut off')
  if (rows.words32[(byte / 8 + ROW.partitionLinkTexts) * 2 + 1] === 0) return EVENT_ROW_BYTES
  try {
    return eventRowBytes(bytes, byte)
  } catch (cause) {
    throw new CoreBrokenError('an event row has malformed texts', { cause })
  }
}

function checkContinues(state: CoreState, partition: number, rows: RowWords, word: number): void {
  const { words, words32 } = rows
  const sequence = words[word + ROW.sequence]!
  const broken = (what: string): never => {
    throw new CoreBrokenError(
      `event ${sequence} does not continue event ${state.clock[CLOCK.sequence]!}: ${what}`,
    )
  }
  if (sequence !== BigInt.asIntN(64, state.clock[CLOCK.sequence]! + 1n))
    broken('its sequence is not the next')
  if (words[word + ROW.recordedAt]! <= state.clock[CLOCK.recordedAt]!) broken('its time is not later')
  if ((words32[(word + ROW.partitionLinkTexts) * 2]! & 0xffff) !== partition)
    broken('it is of another partition')
  const kind = kindOf(rows, word)
  if (!EVENT_KIND_NAMES.has(kind)) broken(`its kind ${kind} is unknown`)
  const steps = refusalNumberOf(rows, word) === 0 ? 1n : 0n
  if (kind !== EVENT_KINDS.AccountOpened) {
    checkVersion(state, rows, debitNumber(rows, word), word + ROW.debitVersion, steps, broken)
    checkVersion(state, rows, creditNumber(rows, word), word + ROW.creditVersion, steps, broken)
  }
}

function checkVersion(
  state: CoreState,
  rows: RowWords,
  number: number,
  at: number,
  steps: bigint,
  broken: (what: string) => never,
): void {
  if (number === 0) return
  if (number < 0 || number > state.accounts.count) broken(`it names account ${number}`)
  const version = state.accounts.words[number * LINE_WORDS]!
  if (rows.words[at] !== BigInt.asIntN(64, version + steps))
    broken(`account ${number} is at version ${version}`)
}

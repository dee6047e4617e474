/**
 * Crossings: transfers whose accounts live in two partitions. The words and formats that both sides and the coordinator
 * share; docs/coordination.md says how they play together.
 *
 * The partition of the debit account is the **source**, that of the credit account the **destination**. The source gives
 * each open crossing a **channel**: the lowest free number, from 1. A channel's **turn** counts the crossings that have had
 * it. The destination keeps one entry a channel: the latest turn that it has seen, and what became of it. A step of an
 * earlier turn is stale, one of the same turn a repeat, one of a later turn new. So the destination needs no memory that
 * grows with time, and a step that is a day late changes nothing. This is the exactly-once rule of NFS sessions
 * (RFC 8881, section 2.10.6.1: slot and sequence id).
 *
 * In every event of a crossing `named accounts` reads `debit,credit,channel,answers`: both account ids; three hex digits of
 * the source, five of the channel, eight of the turn; and sixteen hex digits of the sequence, in the other partition, of the event that this one
 * answers (zeros: none).
 */
import { formatId, parseId, type Id } from './ids.ts'
import { packCurrency } from './money.ts'
import { partitionOf } from './partitions.ts'

/** What the text of a crossing's event says. */
export interface CrossingText {
  readonly debit: Id
  readonly credit: Id
  /** Partition of the debit account. */
  readonly source: number
  readonly channel: number
  readonly turn: number
  readonly answers: bigint
}

const UUID_CHARACTERS = 36
const CROSSING_TEXT = new RegExp(
  `^([0-9a-f-]{${UUID_CHARACTERS}}),([0-9a-f-]{${UUID_CHARACTERS}}),([0-9a-f]{3})([0-9a-f]{5})([0-9a-f]{8}),([0-9a-f]{16})$`,
)

/** Writes the text of a crossing's event: 107 characters. */
export function formatCrossing({ debit, credit, source, channel, turn, answers }: CrossingText): string {
  const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, '0')
  return `${formatId(debit)},${formatId(credit)},${hex(source, 3)}${hex(channel, 5)}${hex(turn, 8)},${hex(answers, 16)}`
}

/** Reads the text of a crossing's event. Undefined: it is of another event. */
export function parseCrossing(text: string): CrossingText | undefined {
  const found = CROSSING_TEXT.exec(text)
  if (found === null) return undefined
  const [, debit, credit, source, channel, turn, answers] = found
  const debitId = parseId(debit!)
  const creditId = parseId(credit!)
  if (debitId === undefined || creditId === undefined) return undefined
  return {
    debit: debitId,
    credit: creditId,
    source: Number.parseInt(source!, 16),
    channel: Number.parseInt(channel!, 16),
    turn: Number.parseInt(turn!, 16),
    answers: BigInt(`0x${answers!}`),
  }
}

/** `transi` in ASCII: first 48 bits of a transit account’s id. Version 8 (RFC 9562) and the partition stand behind them. */
const TRANSIT_PREFIX = 0x7472_616e_7369n
const VERSION_8 = 0x8000n
/** With what the text of every transit account's id begins: `transi` and the version. */
export const TRANSIT_ACCOUNT_PREFIX = '7472616e-7369-8'
const VARIANT = 0x8000_0000_0000_0000n
const NONCE_BITS = 20n

/**
 * The id of the account on which a partition keeps money in transit in a currency. Its hash says its own partition, as any
 * account's does: the last bits are counted up until it does.
 * @param partitions of the deployment, at least 1
 */
export function transitAccountId(currency: string, partition: number, partitions: number): Id {
  const high = (TRANSIT_PREFIX << 16n) | VERSION_8 | BigInt(partition)
  const code = currencyNumber(currency) << NONCE_BITS
  for (let nonce = 0n; ; nonce++) {
    const id = { high, low: VARIANT | code | nonce }
    if (partitionOf(id, partitions) === partition) return id
  }
}

/** True if an id is one that only a writer gives, to a transit account. */
export function isTransitAccountId({ high }: Id): boolean {
  return high >> 16n === TRANSIT_PREFIX && (high & 0xf000n) === VERSION_8
}

/** A code as a number in base 37: at most 42 bits. */
function currencyNumber(currency: string): bigint {
  packCurrency(currency)
  let number = 0n
  for (const character of currency.padEnd(8, ' ')) {
    const digit = ' 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(character)
    number = number * 37n + BigInt(digit)
  }
  return number
}

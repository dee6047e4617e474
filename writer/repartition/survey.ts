/** What stands in the way of another number of partitions, and what the old logs come to: read and proved before anything is written. */
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { readFramesAhead } from '../../eventlog/file/read/read-ahead.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { COMMAND_KINDS } from '../../schemas/commands.ts'
import { EVENT_KINDS, eventRowBytes, ROW, ROW_BYTE } from '../../schemas/events.ts'
import { isTransitAccountId } from '../../schemas/crossing.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { createCore, type WalletCore } from '../core/core.ts'
import { idText } from './move-rows.ts'
import { RepartitionRefusedError } from './refused.ts'

/** What the accounts of a deployment come to, in whatever order and partition they are looked at. */
export interface Sums {
  accounts: number
  /** Sum of a hash of each account's id, currency, status, limit, version and totals. */
  digest: bigint
  holdsOpen: number
}

export interface Survey {
  /** Where each old log ends. */
  readonly heads: readonly LogHead[]
  readonly events: bigint
  /** Time of the first event, nanoseconds since 1970; 0n: there is none. */
  readonly beganNs: bigint
  readonly sums: Sums
  /** The latest time up to which an old partition refuses ids, milliseconds since 1970; −1: none was ever forgotten. */
  readonly horizonMs: number
  /** Ids that refusals without an account name. */
  readonly named: ReadonlySet<string>
}

export function emptySums(): Sums {
  return { accounts: 0, digest: 0n, holdsOpen: 0 }
}

/** Adds what the accounts of one partition come to. Those for money in transit are the partition's own, and left out. */
export function addAccounts(sums: Sums, core: WalletCore): void {
  for (let number = 1; number <= core.accounts(); number++) {
    const account = core.account(number)!
    if (isTransitAccountId(account.id)) continue
    sums.accounts += 1
    let hash = 0xcbf2_9ce4_8422_2325n
    for (const one of [
      account.id.high,
      account.id.low,
      BigInt(`0x${Buffer.from(`${account.currency} ${account.scale} ${account.status}`).toString('hex')}`),
      account.overdraftLimit,
      account.version,
      account.debitsPosted,
      account.debitsPending,
      account.creditsPosted,
      account.creditsPending,
    ])
      hash = mixed(hash, one)
    sums.digest = BigInt.asUintN(64, sums.digest + hash)
  }
  sums.holdsOpen += core.holdsOpen()
}

/** The finaliser of MurmurHash3 over a hash and the next value. */
function mixed(hash: bigint, value: bigint): bigint {
  let next = BigInt.asUintN(64, (hash ^ value) * 0x9e3779b97f4a7c15n + (value >> 64n))
  next ^= next >> 33n
  next = BigInt.asUintN(64, next * 0xff51afd7ed558ccdn)
  return next ^ (next >> 33n)
}

/**
 * Reads the old logs, replays each, and yields how many events it has read so far.
 * @param partitions of the old deployment
 * @param asked the new number of partitions
 * @param idsPerGeneration how many ids the old writers remember; by default as a core does
 * @throws RepartitionRefusedError if transfers are under way, or open holds would have their accounts in different partitions
 */
export function* survey(
  dir: string,
  partitions: number,
  asked: number,
  idsPerGeneration?: number,
): Generator<bigint, Survey, undefined> {
  const heads: LogHead[] = []
  const sums = emptySums()
  const named = new Set<string>()
  let events = 0n
  let beganNs = 0n
  let horizonMs = -1
  let crossings = 0
  let apart = 0
  let across = 0
  for (let partition = 0; partition < partitions; partition++) {
    const core = createCore({ partition, ...(idsPerGeneration === undefined ? {} : { idsPerGeneration }) })
    const holds = new Map<string, readonly [debit: number, credit: number]>()
    const reading = readFramesAhead(nodeDisk, dir, partition, 1n)
    for (;;) {
      const step = reading.next()
      if (step.done === true) {
        heads.push(step.value)
        break
      }
      if (step.value.count === 0) continue
      const payload = new Uint8Array(step.value.payload)
      core.apply(payload)
      const words = new BigInt64Array(payload.buffer)
      if (beganNs === 0n || words[ROW.recordedAt]! < beganNs) beganNs = words[ROW.recordedAt]!
      look(payload, words, holds, named)
      events += BigInt(step.value.count)
      yield events
    }
    crossings += core.crossingsOpen()
    horizonMs = Math.max(horizonMs, core.idHorizonMs())
    across += core.holdsOpen() - holds.size
    for (const [debit, credit] of holds.values()) {
      const [left, right] = [debit, credit].map((number) => partitionOf(core.account(number)!.id, asked))
      if (left !== right) apart += 1
    }
    addAccounts(sums, core)
  }
  if (crossings > 0)
    throw new RepartitionRefusedError(
      'transfers_under_way',
      `${count(crossings, 'transfer')} between partitions ${crossings === 1 ? 'is' : 'are'} under way in ${dir}. Start the platform on it once more, ` +
        'wait until `purser transfers --open` lists none, stop it, and run this again. Nothing was changed.',
      crossings,
    )
  if (across > 0)
    throw new RepartitionRefusedError(
      'holds_across',
      `${count(across, 'open hold')} ${across === 1 ? 'has its' : 'have their'} two accounts in different partitions in ${dir}. Start the platform on it once more, ` +
        'post or void them or let them expire, stop it, and run this again. Nothing was changed.',
      across,
    )
  if (apart > 0)
    throw new RepartitionRefusedError(
      'holds_across',
      `${count(apart, 'open hold')} would have ${apart === 1 ? 'its' : 'their'} two accounts in different partitions, of ${asked}. Start the platform on ${dir}, ` +
        'post or void them or let them expire, stop it, and run this again; or take a number of partitions that keeps them together. Nothing was changed.',
      apart,
    )
  return { heads, events, beganNs, sums, horizonMs, named }
} // prettier-ignore

const { HoldPlaced, HoldPosted, HoldVoided, HoldExpired, TransferRefused } = EVENT_KINDS
const { PostHold, VoidHold, ReverseTransfer } = COMMAND_KINDS

function look(
  payload: Uint8Array,
  words: BigInt64Array,
  holds: Map<string, readonly [number, number]>,
  named: Set<string>,
): void {
  const view = new DataView(payload.buffer)
  for (let byte = 0; byte < payload.length; byte += eventRowBytes(payload, byte)) {
    const kind = payload[byte + ROW_BYTE.kind]!
    if (kind < HoldPlaced || kind > TransferRefused) continue
    const debit = view.getUint32(byte + ROW_BYTE.debitAccount, true)
    const related = (byte >>> 3) + ROW.relatedHigh
    if (kind === HoldPlaced)
      holds.set(idText(words, (byte >>> 3) + ROW.transferHigh), [debit, view.getUint32(byte + ROW_BYTE.creditAccount, true)]) // prettier-ignore
    else if (kind === HoldPosted || kind === HoldVoided || kind === HoldExpired)
      holds.delete(idText(words, related))
    else if (kind === TransferRefused && debit === 0) {
      const command = payload[byte + ROW_BYTE.command]!
      if (command === PostHold || command === VoidHold || command === ReverseTransfer)
        named.add(idText(words, related))
    }
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** For tests: a log in memory, and a small wallet that makes events as the writer would, of every kind. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { EventLog, LogHead } from '../eventlog/ports.ts'
import { encodeEvent, EVENT_SCHEMA_VERSION, type Side, type WalletEvent } from '../schemas/events.ts'
import { lastSequence, readFrame, sealFrame, type Digests, type Frame } from '../schemas/frames.ts'
import { makeUuidV7, NIL_ID, type Id } from '../schemas/ids.ts'
import { FRAME_HEADER_BYTES } from '../schemas/limits.ts'
import type { Refusal } from '../schemas/refusals.ts'

const digests: Digests = {
  crc32: (first, second) => crc32(second, crc32(first)),
  sha256: (first, second) => createHash('sha256').update(first).update(second).digest(),
}

/** An event log in memory. What a test does wrong with it, it delivers. */
export class MemoryLog implements EventLog {
  readonly partition: number
  readonly frames: Frame[] = []
  #changed: (() => void)[] = []

  constructor(partition: number) {
    this.partition = partition
  }

  head(): LogHead {
    const last = this.frames.at(-1)
    return {
      partition: this.partition,
      epoch: 1n,
      sequence: last === undefined ? 0n : lastSequence(last),
      hash: last?.hash ?? new Uint8Array(32),
      nextCommandOffset: 0n,
      nextCommandIndex: 0,
    }
  }

  async currentHead(): Promise<LogHead> {
    return this.head()
  }

  endSequence(): bigint {
    return this.head().sequence
  }

  logOffsetOf(_frame: Frame): bigint | undefined {
    return undefined
  }

  /** Appends one frame; without events, an idle mark. */
  append(events: readonly WalletEvent[]): Frame {
    const { sequence, hash } = this.head()
    const frame = sealed(this.partition, events, sequence + 1n, hash)
    this.push(frame)
    return frame
  }

  /** Appends a frame as it is. */
  push(frame: Frame): void {
    this.frames.push(frame)
    this.#wake()
  }

  #wake(): void {
    const changed = this.#changed
    this.#changed = []
    for (const wake of changed) wake()
  }

  async *read(fromSequence: bigint): AsyncIterable<Frame> {
    for (const frame of [...this.frames]) if (lastSequence(frame) >= fromSequence) yield frame
  }

  async *tail(fromSequence: bigint, signal: AbortSignal): AsyncIterable<Frame> {
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    for (let index = 0; !signal.aborted;) {
      const frame = this.frames[index]
      if (frame !== undefined) {
        index++
        if (lastSequence(frame) >= fromSequence) yield frame
        continue
      }
      await new Promise<void>((resolve) => this.#changed.push(resolve))
    }
  }
}

/** Seals events as one frame behind another. */
export function sealed(
  partition: number,
  events: readonly WalletEvent[],
  firstSequence: bigint,
  previousHash: Uint8Array,
): Frame {
  const payload = Buffer.concat(events.map(encodeEvent))
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  bytes.set(payload, FRAME_HEADER_BYTES)
  const header = {
    schemaVersion: EVENT_SCHEMA_VERSION,
    partition,
    partitions: 0,
    epoch: 1n,
    firstSequence,
    count: events.length,
    durableSequence: firstSequence - 1n,
    timeNs: events[0]?.recordedAtNs ?? 0n,
    nextCommandOffset: 0n,
    nextCommandIndex: 0,
    commandsTopic: 0,
    payloadBytes: payload.length,
    previousHash,
  }
  sealFrame(bytes, header, digests)
  const reading = readFrame(bytes, 0, digests)
  if (reading.kind !== 'frame') throw new Error('not a frame')
  return reading.frame
}

/** What is asked of the small wallet; numbers choose among what there is. */
export interface Step {
  readonly what:
    'open' | 'freeze' | 'unfreeze' | 'transfer' | 'hold' | 'post' | 'void' | 'expire' | 'reverse' | 'refuse'
  readonly one: number
  readonly other: number
  readonly amount: number
  /** Hours between recorded and effective time. */
  readonly hours: number
  readonly text: string
}

type MutableSide = { -readonly [Key in keyof Side]: Side[Key] }
interface Hold {
  readonly id: Id
  readonly debit: number
  readonly credit: number
  readonly amount: bigint
}

export const START_NS = 1_700_000_000_000_000_000n
const HOUR_NS = 3_600_000_000_000n
const CURRENCIES = [
  { currency: 'CZK', scale: 2 },
  { currency: 'BTC', scale: 8 },
] as const

/** A wallet without rules: it moves what it is told to, and carries versions and totals as the writer does. */
export class SampleWallet {
  readonly partition: number
  readonly events: WalletEvent[] = []
  readonly #accounts: { readonly currency: number; readonly side: MutableSide }[] = []
  readonly #holds: Hold[] = []

  constructor(partition: number) {
    this.partition = partition
    for (let index = 0; index < 4; index++)
      this.step({ what: 'open', one: index, other: 0, amount: 100, hours: 0, text: `owner ${index % 2}` })
  }

  /** The id of an account, by number. */
  accountId(number: number): Id {
    return { high: BigInt(this.partition + 1) << 32n, low: BigInt(number) }
  }

  /** Does one step; returns the events that came of it (none where there was nothing to do it to). */
  step(step: Step): WalletEvent[] {
    const before = this.events.length
    this.#do(step)
    return this.events.slice(before)
  }

  #do(step: Step): void {
    const one = this.#accounts[step.one % (this.#accounts.length || 1)]!
    const peers = this.#accounts.filter((account) => account !== one && account.currency === one.currency)
    const other = peers[step.other % (peers.length || 1)]!
    const amount = BigInt(step.amount)
    const hold = this.#holds[step.other % (this.#holds.length || 1)]
    switch (step.what) {
      case 'open': {
        const side = { number: this.#accounts.length + 1, version: 1n, ...NO_TOTALS }
        this.#accounts.push({ currency: step.one % CURRENCIES.length, side })
        const relatedId = this.accountId(side.number)
        return this.#emit(step, { kind: 'AccountOpened', command: 'OpenAccount', debit: side, relatedId, owner: step.text, amount: amount - 1n, memo: '' }) // prettier-ignore
      }
      case 'freeze':
        one.side.version++
        return this.#emit(step, {
          kind: 'AccountFrozen',
          command: 'FreezeAccount',
          debit: one.side,
          amount: 0n,
        })
      case 'unfreeze':
        one.side.version++
        return this.#emit(step, { kind: 'AccountUnfrozen', command: 'UnfreezeAccount', debit: one.side, amount: 0n }) // prettier-ignore
      case 'transfer':
        return this.#post(step, one.side, other.side, amount, { kind: 'TransferPosted', command: 'Transfer' })
      case 'reverse': {
        const moved = this.events.filter(({ kind }) => kind === 'TransferPosted')
        const undone = moved[step.other % (moved.length || 1)]
        if (undone === undefined) return
        return this.#post(
          step,
          this.#side(undone.credit.number),
          this.#side(undone.debit.number),
          undone.amount,
          {
            kind: 'TransferReversed',
            command: 'ReverseTransfer',
            relatedId: undone.transferId,
          },
        )
      }
      case 'hold': {
        one.side.debitsPending += amount
        other.side.creditsPending += amount
        one.side.version++
        other.side.version++
        const expiresAtNs = step.hours === 0 ? 0n : this.#recordedAtNs() + BigInt(step.hours) * HOUR_NS
        this.#emit(step, {
          kind: 'HoldPlaced',
          command: 'PlaceHold',
          debit: one.side,
          credit: other.side,
          expiresAtNs,
        })
        const id = this.events.at(-1)!.transferId
        this.#holds.push({ id, debit: one.side.number, credit: other.side.number, amount })
        return
      }
      case 'post':
      case 'void':
      case 'expire':
        if (hold !== undefined) this.#endHold(step, step.what, hold)
        return
      case 'refuse':
        return this.#emit(step, {
          kind: 'TransferRefused',
          command: hold === undefined ? 'Transfer' : 'PostHold',
          refusal: REFUSALS[step.amount % REFUSALS.length]!,
          debit: one.side,
          credit: step.hours % 2 === 0 ? other.side : NO_SIDE,
          relatedId: hold?.id ?? NIL_ID,
          namedAccounts: step.hours % 2 === 0 ? '' : ',00000000-0000-0000-0000-0000000000ff',
        })
    }
  }

  #endHold(step: Step, what: 'post' | 'void' | 'expire', hold: Hold): void {
    const debit = this.#side(hold.debit)
    const credit = this.#side(hold.credit)
    this.#holds.splice(this.#holds.indexOf(hold), 1)
    debit.debitsPending -= hold.amount
    credit.creditsPending -= hold.amount
    const common = { relatedId: hold.id, debit, credit }
    if (what === 'post') {
      const amount = BigInt(step.amount) < hold.amount ? BigInt(step.amount) : hold.amount
      return this.#post(step, debit, credit, amount, { ...common, kind: 'HoldPosted', command: 'PostHold' })
    }
    debit.version++
    credit.version++
    if (what === 'void')
      this.#emit(step, { ...common, kind: 'HoldVoided', command: 'VoidHold', amount: hold.amount })
    else
      this.#emit(step, { ...common, kind: 'HoldExpired', command: 'ExpireHold', amount: hold.amount, transferId: hold.id }) // prettier-ignore
  }

  #post(
    step: Step,
    debit: MutableSide,
    credit: MutableSide,
    amount: bigint,
    event: Partial<WalletEvent>,
  ): void {
    debit.debitsPosted += amount
    credit.creditsPosted += amount
    debit.version++
    credit.version++
    this.#emit(step, { ...event, debit, credit, amount })
  }

  #side(number: number): MutableSide {
    return this.#accounts[number - 1]!.side
  }

  #recordedAtNs(): bigint {
    return START_NS + BigInt(this.events.length + 1) * 60_000_000_000n
  }

  #emit(step: Step, event: Partial<WalletEvent>): void {
    const sequence = BigInt(this.events.length + 1)
    const recordedAtNs = this.#recordedAtNs()
    const bits = createHash('sha256').update(`${this.partition}:${sequence}`).digest()
    this.events.push({
      sequence,
      recordedAtNs,
      effectiveAtNs: recordedAtNs - BigInt(step.hours) * HOUR_NS,
      receivedAtNs: recordedAtNs - 1_000_000n,
      kind: 'TransferPosted',
      command: 'Transfer',
      refusal: undefined,
      transferId: makeUuidV7(Number(recordedAtNs / 1_000_000n), bits),
      relatedId: NIL_ID,
      reference: step.amount % 3 === 0 ? { high: 5n, low: BigInt(step.amount) } : NIL_ID,
      fingerprint: bits.readBigUInt64LE(16),
      ...CURRENCIES[this.#accounts[(event.debit?.number ?? 1) - 1]!.currency]!,
      amount: BigInt(step.amount),
      expiresAtNs: 0n,
      code: step.hours,
      partition: this.partition,
      linkIndex: 0,
      memo: step.text,
      owner: '',
      namedAccounts: '',
      ...event,
      debit: { ...(event.debit ?? NO_SIDE) },
      credit: { ...(event.credit ?? NO_SIDE) },
    })
  }
}

const NO_TOTALS = { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n }
export const NO_SIDE: Side = { number: 0, version: 0n, ...NO_TOTALS }
const REFUSALS: readonly Refusal[] = ['insufficient_funds', 'debit_account_frozen', 'hold_not_open']

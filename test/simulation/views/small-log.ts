/** A small log for the views alone: frames that the real core decided, sealed one behind the other in memory. */
import { chainAfter, emptyChain, type ChainEnd } from '../../../eventlog/file/layout/segments.ts'
import { seal, sealIdleFrame } from '../../../eventlog/handoff/seal.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { encodeCommands } from '../../../schemas/command-codec.ts'
import type { Command } from '../../../schemas/commands.ts'
import { decodeEvents, EVENT_SCHEMA_VERSION, type WalletEvent } from '../../../schemas/events.ts'
import type { Frame } from '../../../schemas/frames.ts'
import { makeUuidV7, type Id } from '../../../schemas/ids.ts'
import { EVENT_ROW_BYTES_MAX } from '../../../schemas/limits.ts'
import { createCore } from '../../../writer/core/core.ts'
import type { Random } from '../random.ts'

const ACCOUNTS = 7
const START_NS = 1_780_000_000_000_000_000n
const OUT_BYTES = 64 * EVENT_ROW_BYTES_MAX

export class SmallWriter {
  log = new MemoryLog(0)
  readonly events: WalletEvent[] = []
  readonly #random: Random
  readonly #core = createCore({ partition: 0, accountsInitial: 16, idsPerGeneration: 64 })
  readonly #holds: Id[] = []
  readonly #transfers: Id[] = []
  #end: ChainEnd = emptyChain(0)
  #epoch = 1n
  #nowNs = START_NS
  #ids = 0

  constructor(random: Random) {
    this.#random = random
    this.#push(new Uint8Array(0), 0)
    this.#decide(Array.from({ length: ACCOUNTS }, (_, number) => this.#open(number)))
  }

  /** Appends one frame: of some commands, of nothing, or as a new writer opens it. */
  write(): void {
    this.#nowNs += BigInt(this.#random.between(1, 400)) * 1_000_000n
    if (this.#random.chance(0.1)) {
      this.#epoch += this.#random.chance(0.3) ? 1n : 0n
      this.#push(new Uint8Array(0), 0)
      return
    }
    this.#decide(Array.from({ length: this.#random.between(1, 9) }, () => this.#command()))
  }

  /** The log as an older copy has it: the first `frames` of its frames. */
  older(frames: number): MemoryLog {
    const copy = new MemoryLog(0)
    for (const frame of this.log.frames.slice(0, frames)) copy.push(frame)
    return copy
  }

  /** The log as it would be had it gone another way after its first `frames` frames: the same events, other frames. */
  forked(frames: number): MemoryLog {
    const fork = this.older(frames)
    let end = frames === 0 ? emptyChain(0) : chainAfter(fork.frames[frames - 1]!)
    for (const frame of this.log.frames.slice(frames)) {
      const other = seal({ ...contentOf(frame), timeNs: frame.timeNs + 1n }, end, end.sequence)
      fork.push(other)
      end = chainAfter(other)
    }
    return fork
  }

  #decide(commands: readonly Command[]): void {
    const out = new Uint8Array(OUT_BYTES)
    const expired = this.#core.expireDue(this.#nowNs, out, 0, out.length)
    const decided = this.#core.decide(
      encodeCommands(commands), commands.length, this.#nowNs, out, expired.bytes, out.length,
    ) // prettier-ignore
    const payload = out.slice(0, expired.bytes + decided.bytes)
    const events = decodeEvents(payload)
    for (const { kind, transferId } of events) {
      if (kind === 'HoldPlaced') this.#holds.push(transferId)
      if (kind === 'TransferPosted') this.#transfers.push(transferId)
    }
    this.events.push(...events)
    this.#push(payload, events.length)
  }

  #push(payload: Uint8Array, count: number): void {
    const frame =
      count === 0 && this.#random.chance(0.5)
        ? sealIdleFrame(this.#end, this.#end.sequence)
        : seal(
            {
              schemaVersion: EVENT_SCHEMA_VERSION,
              epoch: this.#epoch,
              firstSequence: this.#end.sequence + 1n,
              count,
              timeNs: this.#nowNs,
              nextCommandOffset: this.#end.nextCommandOffset + BigInt(count),
              nextCommandIndex: 0,
              payload,
            },
            this.#end,
            this.#end.sequence,
          )
    this.#end = chainAfter(frame)
    this.log.push(frame)
  }

  #open(number: number): Command {
    const owner = number === 0 ? 'the bank' : `owner ${number % 3}`
    const bound = number === 0 ? { system: true } : { amount: BigInt(number * 5) }
    return {
      kind: 'OpenAccount',
      id: this.#id(),
      debit: account(number),
      ...bound,
      currency: 'CZK',
      scale: 2,
      owner,
    }
  }

  #command(): Command {
    const random = this.#random
    const id = this.#id()
    const debit = account(random.below(ACCOUNTS))
    const credit = account(random.below(ACCOUNTS + 1))
    const amount = BigInt(random.between(0, 60))
    const memo = random.chance(0.2) ? 'memo '.repeat(random.between(1, 40)) : ''
    const hold = this.#holds[random.below(this.#holds.length || 1)]
    const transfer = this.#transfers[random.below(this.#transfers.length || 1)]
    switch (random.below(12)) {
      case 0:
        return { kind: 'FreezeAccount', id, debit, memo }
      case 1:
        if (random.chance(0.5)) return { kind: 'UnfreezeAccount', id, debit }
        return { kind: 'ChangeAccount', id, debit, amount: BigInt(random.between(0, 90)), owner: random.chance(0.5) ? `owner ${random.below(4)}` : '' } // prettier-ignore
      case 2:
      case 3:
        return { kind: 'PlaceHold', id, debit: account(0), credit, amount, memo, timeoutNs: random.chance(0.5) ? BigInt(random.between(1, 2_000)) * 1_000_000n : undefined } // prettier-ignore
      case 4:
        if (hold !== undefined)
          return random.chance(0.5) ? { kind: 'PostHold', id, related: hold } : { kind: 'PostHold', id, related: hold, amount: amount + 1n, keepOpen: true } // prettier-ignore
        break
      case 5:
        if (hold !== undefined) return { kind: 'VoidHold', id, related: hold }
        break
      case 6:
        if (transfer !== undefined)
          return { kind: 'ReverseTransfer', id, debit: credit, credit: debit, amount, leftToReverse: random.chance(0.5) ? amount + 7n : 0n, related: transfer, checkedSequence: this.#core.sequence() } // prettier-ignore
        break
      case 7:
        return { kind: 'Transfer', id, debit: account(0), credit, amount, memo, code: random.below(9) }
      default:
    }
    return { kind: 'Transfer', id, debit, credit, amount, memo }
  }

  #id(): Id {
    const bits = new Uint8Array(10)
    new DataView(bits.buffer).setUint32(6, ++this.#ids)
    return makeUuidV7(Number(this.#nowNs / 1_000_000n), bits)
  }
}

/** What the frame says, sealed by itself. */
export function contentOf(frame: Frame): Parameters<typeof seal>[0] {
  const { schemaVersion, epoch, firstSequence, count, timeNs, nextCommandOffset, nextCommandIndex, payload } =
    frame
  return { schemaVersion, epoch, firstSequence, count, timeNs, nextCommandOffset, nextCommandIndex, payload }
}

function account(number: number): Id {
  return { high: 7n << 12n, low: BigInt(number) + 1n }
}

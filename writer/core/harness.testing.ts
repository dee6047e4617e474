/** Drives a core in tests: commands in, events out, every row kept for a replay. */
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { makeUuidV7, makeUuidV8, type Id } from '../../schemas/ids.ts'
import { COMMAND_SLOT_BYTES, EVENT_ROW_BYTES_MAX } from '../../schemas/limits.ts'
import { createCore, type CoreOptions, type CoreSection, type WalletCore } from './core.ts'

/** When tests happen: an even nanosecond in 2026. */
export const NOW_NS = 1_780_000_000_000_000_000n
export const NOW_MS = Number(NOW_NS / 1_000_000n)

/** A UUIDv7 of this time that differs for each `number`. */
export function idOf(number: number, timeMs: number = NOW_MS): Id {
  const bits = new Uint8Array(10)
  new DataView(bits.buffer).setUint32(6, number)
  return makeUuidV7(timeMs, bits)
}

/** An account's id, a UUIDv8 that differs for each `number`. */
export function accountIdOf(number: number): Id {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(12, number)
  return makeUuidV8(bytes)
}

export class Harness {
  readonly core: WalletCore
  nowNs = NOW_NS
  /** Every row so far, one chunk per call. */
  readonly payloads: Uint8Array[] = []
  private readonly outBytes: number

  /** @param outBytes size of the output offered to each call; small ones make the core stop early */
  constructor(options: Partial<CoreOptions> = {}, outBytes = 64 * EVENT_ROW_BYTES_MAX, core?: WalletCore) {
    this.core = core ?? createCore({ partition: 0, ...options })
    this.outBytes = outBytes
  }

  /** Expires what is due, then offers the commands until all are consumed. Returns the events. */
  submit(commands: readonly Command[]): WalletEvent[] {
    const events = this.expire()
    const slots = encodeCommands(commands)
    let done = 0
    let slot = 0
    while (done < commands.length) {
      const out = new Uint8Array(this.outBytes)
      const rest = slots.subarray(slot * COMMAND_SLOT_BYTES)
      const result = this.core.decide(rest, commands.length - done, this.nowNs, out, 0, out.length)
      if (result.commands === 0) throw new Error('the core makes no progress')
      events.push(...this.take(out, result.bytes, result.events))
      done += result.commands
      slot += result.slots
    }
    if (slot * COMMAND_SLOT_BYTES !== slots.length) throw new Error('slots and commands do not agree')
    return events
  }

  expire(): WalletEvent[] {
    const events: WalletEvent[] = []
    for (;;) {
      const out = new Uint8Array(this.outBytes)
      const result = this.core.expireDue(this.nowNs, out, 0, out.length)
      if (result.events === 0) return events
      events.push(...this.take(out, result.bytes, result.events))
    }
  }

  private take(out: Uint8Array, bytes: number, events: number): WalletEvent[] {
    const payload = out.slice(0, bytes)
    const decoded = decodeEvents(payload)
    if (decoded.length !== events) throw new Error('events and rows do not agree')
    if (out.subarray(bytes).some((byte) => byte !== 0) && events === 0) throw new Error('rows without events')
    this.payloads.push(payload)
    return decoded
  }
}

/** Two saved states are the same, byte for byte. Returns the names of the sections that differ. */
export function differingSections(
  left: readonly CoreSection[],
  right: readonly CoreSection[],
): readonly string[] {
  return left
    .filter(({ name, bytes }, index) => {
      const other = right[index]
      if (other?.name !== name || other.bytes.length !== bytes.length) return true
      return bytes.some((byte, at) => byte !== other.bytes[at])
    })
    .map(({ name }) => name)
}

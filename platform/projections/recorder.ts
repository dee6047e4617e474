/** Commands through the real core, without a door, a log or a thread: what it makes of them, at times of the caller's. */
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { makeUuidV7, makeUuidV8, type Id } from '../../schemas/ids.ts'
import { COMMAND_SLOT_BYTES, EVENT_ROW_BYTES_MAX } from '../../schemas/limits.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import { createCore, type WalletCore } from '../../writer/core/core.ts'

const OUT_BYTES = 64 * EVENT_ROW_BYTES_MAX
/** Small, so that a check costs no memory: samples and scenarios are. */
const BOUNDS = { accountsMax: 65_536, holdsMax: 65_536, idsPerGeneration: 65_536 }

export class Recorder {
  readonly #core: WalletCore
  readonly #events: WalletEvent[] = []
  #nowNs: bigint

  /**
   * @param nowNs when it begins, nanoseconds since 1970
   * @param partitions of the deployment that it is one of
   */
  constructor(partition: number, nowNs: bigint, partitions = partition + 1) {
    this.#core = createCore({ partition, partitions, ...BOUNDS })
    this.#nowNs = nowNs
  }

  /** Everything so far. */
  get events(): readonly WalletEvent[] {
    return this.#events
  }

  get nowNs(): bigint {
    return this.#nowNs
  }

  /** Goes on at a later time; holds that are due by then expire. @throws RangeError for an earlier one */
  goTo(nowNs: bigint): void {
    if (nowNs < this.#nowNs) throw new RangeError('time does not go back')
    this.#nowNs = nowNs
    for (let isDue = true; isDue;) {
      const out = new Uint8Array(OUT_BYTES)
      const { bytes, events } = this.#core.expireDue(nowNs, out, 0, out.length)
      this.#events.push(...decodeEvents(out.slice(0, bytes)))
      isDue = events > 0
    }
  }

  /** Decides commands now; a linked group comes whole. @returns the events that they made */
  submit(commands: readonly Command[]): readonly WalletEvent[] {
    const before = this.#events.length
    const slots = encodeCommands(commands)
    for (let done = 0, slot = 0; done < commands.length;) {
      const out = new Uint8Array(OUT_BYTES)
      const rest = slots.subarray(slot * COMMAND_SLOT_BYTES)
      const result = this.#core.decide(rest, commands.length - done, this.#nowNs, out, 0, out.length)
      if (result.commands === 0) throw new RangeError('a linked group has to come whole')
      this.#events.push(...decodeEvents(out.slice(0, result.bytes)))
      done += result.commands
      slot += result.slots
    }
    return this.#events.slice(before)
  }
}

/** An id for the `number`th command at a time: the same each time. */
export function commandIdOf(number: number, nowNs: bigint): Id {
  const bits = new Uint8Array(10)
  new DataView(bits.buffer).setUint32(6, number)
  return makeUuidV7(Number(nowNs / NS_PER_MS), bits)
}

/** An account's id, made of a number: the same each time. */
export function accountIdOf(number: number): Id {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(12, number)
  return makeUuidV8(bytes)
}

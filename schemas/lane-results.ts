/**
 * What a results message of the bulk lane says of each command, in 16 bytes, little-endian:
 *
 *   0 status u8 · 1 flags u8 (bit 0: replayed, bit 1: has another side) · 2 code u16 · 4 partition u16 · 6 zero u16 ·
 *   8 sequence u64
 *
 * Partition and sequence: the event that says so; for an id's own refusals, the end of the frame that consumed it. A fault
 * has neither.
 *
 * A transfer across partitions rests on an event of the other partition as well. Behind the results stand 16 bytes for
 * each result that says so, in any order:
 *
 *   0 index of the result u32 · 4 partition u16 · 6 zero u16 · 8 sequence u64
 *
 * A read "after" both places sees both sides.
 */
import { REFUSAL_CODES, type RefusalCode } from './refusals.ts'

export const LANE_RESULT_BYTES = 16
/** Words of 32 bits in a result. */
export const LANE_RESULT_WORDS = LANE_RESULT_BYTES / 4

/** What became of a command; stable for ever. */
export const LANE_STATUS = { accepted: 1, refused: 2, fault: 3 } as const
/** The id had this outcome before this request. */
export const LANE_REPLAYED = 1
/** It rests on an event of another partition as well, which stands behind the results. */
export const LANE_ACROSS = 2

/**
 * Codes of results. A refused command carries its refusal: the number of schemas/refusals.ts, or one of these, which are
 * above all that fit an event. Stable for ever. (258 was an id of the future, which is no refusal: fault 11.)
 */
export const LANE_ID_REFUSALS = { id_reused: 256, id_expired: 257 } as const

/** Why a command was never decided, or its outcome is not known; stable for ever. */
export const LANE_FAULTS = {
  outcome_unknown: 1,
  not_taken: 2,
  not_yet: 3,
  cross_partition: 4,
  linked_with_fault: 5,
  not_reversible: 6,
  currency_unknown: 7,
  scale_differs: 8,
  internal: 9,
  not_decided: 10,
  id_in_future: 11,
} as const
export type LaneFault = keyof typeof LANE_FAULTS

/** What a person is told, and whether the same command may be sent again as it is. */
export const LANE_FAULT_MEANINGS: Readonly<
  Record<LaneFault, { readonly retryable: boolean; readonly message: string }>
> = {
  outcome_unknown: {
    retryable: true,
    message: 'The command was taken, and its outcome is not known yet. Send it again: it takes effect once.',
  },
  not_taken: { retryable: true, message: 'The command was not taken: its partition is busy or stopped.' },
  not_yet: { retryable: true, message: 'The views do not yet include what the command needs. Nothing happened.' },
  cross_partition: {
    retryable: false,
    message: 'The accounts live in different partitions, and only a transfer or hold that stands alone, without a condition on its credit account, goes from one to another. Nothing happened.',
  },
  linked_with_fault: { retryable: false, message: 'Linked with a command that cannot be taken.' },
  not_reversible: { retryable: false, message: 'There is no transfer with this id that could be reversed.' },
  currency_unknown: {
    retryable: false,
    message: 'The currency is not known here. Name its scale, or configure it.',
  },
  scale_differs: { retryable: false, message: 'The currency has another scale here.' },
  internal: { retryable: false, message: 'The platform failed at this command; its log says why.' },
  not_decided: { retryable: true, message: 'No writer decided this command: nothing happened. Send it again, with the same id.' },
  id_in_future: {
    retryable: true,
    message: 'The time inside this id lies too far in the future. Nothing happened: correct the clock that made it. The same id counts once its time has come.',
  },
} // prettier-ignore

const refusalNumbers: Readonly<Record<RefusalCode, number>> = { ...REFUSAL_CODES, ...LANE_ID_REFUSALS }
const refusalNames = new Map<number, RefusalCode>(
  Object.entries(refusalNumbers).map(([name, number]) => [number, name as RefusalCode]),
)
const faultNames = new Map<number, LaneFault>(
  Object.entries(LANE_FAULTS).map(([name, number]) => [number, name as LaneFault]),
)

/** The number under which a result carries a refusal. */
export function laneRefusalNumber(code: RefusalCode): number {
  return refusalNumbers[code]
}

/** Writes one result as 32-bit words at `words[at]`. `sequence` in two halves. */
export function writeResult(
  words: Int32Array,
  at: number,
  status: number,
  flags: number,
  code: number,
  partition: number,
  sequenceLow: number,
  sequenceHigh: number,
): void {
  words[at] = status | (flags << 8) | (code << 16)
  words[at + 1] = partition
  words[at + 2] = sequenceLow
  words[at + 3] = sequenceHigh
}

/** An event of the other partition of a transfer across partitions. */
export interface LanePlace {
  readonly partition: number
  readonly sequence: bigint
}

/** What became of one command. */
export type CommandResult =
  /** It has happened, and is durable. `replayed`: it had happened before this request. */
  | {
      readonly status: 'accepted'
      readonly replayed: boolean
      readonly partition: number
      readonly sequence: bigint
      readonly other?: LanePlace
    }
  | {
      readonly status: 'refused'
      readonly code: RefusalCode
      readonly replayed: boolean
      readonly partition: number
      readonly sequence: bigint
      readonly other?: LanePlace
    }
  /** Never decided, or the outcome is not known: LANE_FAULT_MEANINGS says which, and whether to send it again. */
  | { readonly status: 'fault'; readonly code: LaneFault }

/** How many of a request's results say what. */
export interface LaneTally {
  /** Accepted or refused. */
  readonly decided: number
  readonly refused: number
  readonly faults: number
  /** Decided before this request. */
  readonly replayed: number
}

/** The results of one request, read where they stand: nothing is made until it is asked for. */
export class LaneResults {
  readonly count: number
  readonly #view: DataView
  /** By index of the result. Made when first asked for. */
  #others: Map<number, LanePlace> | undefined

  /**
   * @param body of a results message, whole
   * @param count of its header
   */
  constructor(body: Uint8Array, count = body.length / LANE_RESULT_BYTES) {
    this.count = count
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  }

  /** One of LANE_STATUS. */
  status(index: number): number {
    return this.#view.getUint8(index * LANE_RESULT_BYTES)
  }

  replayed(index: number): boolean {
    return (this.#view.getUint8(index * LANE_RESULT_BYTES + 1) & LANE_REPLAYED) !== 0
  }

  /** Number of the refusal or fault; 0 for an accepted command. */
  code(index: number): number {
    return this.#view.getUint16(index * LANE_RESULT_BYTES + 2, true)
  }

  partition(index: number): number {
    return this.#view.getUint16(index * LANE_RESULT_BYTES + 4, true)
  }

  sequence(index: number): bigint {
    return this.#view.getBigUint64(index * LANE_RESULT_BYTES + 8, true)
  }

  /** Where the other side of a transfer across partitions stands. Undefined: it has none. */
  other(index: number): LanePlace | undefined {
    if ((this.#view.getUint8(index * LANE_RESULT_BYTES + 1) & LANE_ACROSS) === 0) return undefined
    return (this.#others ??= this.#readOthers()).get(index)
  }

  #readOthers(): Map<number, LanePlace> {
    const others = new Map<number, LanePlace>()
    const view = this.#view
    for (let byte = this.count * LANE_RESULT_BYTES; byte < view.byteLength; byte += LANE_RESULT_BYTES)
      others.set(view.getUint32(byte, true), {
        partition: view.getUint16(byte + 4, true),
        sequence: view.getBigUint64(byte + 8, true),
      })
    return others
  }

  /** Counts in one walk that makes nothing of a single result. What is none of this version counts as a fault. */
  tally(): LaneTally {
    let refused = 0
    let accepted = 0
    let replayed = 0
    for (let byte = 0; byte < this.count * LANE_RESULT_BYTES; byte += LANE_RESULT_BYTES) {
      const word = this.#view.getInt32(byte, true)
      const status = word & 0xff
      if (status === LANE_STATUS.accepted) accepted++
      else if (status === LANE_STATUS.refused) refused++
      if ((word & (LANE_REPLAYED << 8)) !== 0) replayed++
    }
    const decided = accepted + refused
    return { decided, refused, faults: this.count - decided, replayed }
  }

  /** The result in words; undefined where it is none of this version. */
  at(index: number): CommandResult | undefined {
    if (index < 0 || index >= this.count) return undefined
    const other = this.other(index)
    const told = {
      replayed: this.replayed(index),
      partition: this.partition(index),
      sequence: this.sequence(index),
      ...(other === undefined ? {} : { other }),
    }
    switch (this.status(index)) {
      case LANE_STATUS.accepted:
        return { status: 'accepted', ...told }
      case LANE_STATUS.refused: {
        const code = refusalNames.get(this.code(index))
        return code === undefined ? undefined : { status: 'refused', code, ...told }
      }
      case LANE_STATUS.fault: {
        const code = faultNames.get(this.code(index))
        return code === undefined ? undefined : { status: 'fault', code }
      }
      default:
        return undefined
    }
  }
}

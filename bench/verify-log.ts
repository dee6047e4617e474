/**
 * Reads a log from its first event after a benchmark: every frame is verified, every event applied to an empty core, and
 * every command counted by its serial number. Acknowledged means: in the log, once.
 */
import { nodeDisk } from '../eventlog/disk/disk.ts'
import { readFramesAhead } from '../eventlog/file/read/read-ahead.ts'
import { EVENT_KINDS, ROW_BYTE } from '../schemas/events.ts'
import type { Frame } from '../schemas/frames.ts'
import { EVENT_ROW_BYTES } from '../schemas/limits.ts'
import { createCore, type WalletCore } from '../writer/core/core.ts'
import { SerialSet } from './serial-set.ts'

const PARTITION = 0

export interface LogCount {
  readonly events: number
  readonly accountsOpened: number
  readonly accepted: number
  readonly refused: number
  readonly trialBalance: ReadonlyMap<string, bigint>
}

/**
 * @param acknowledged what clients were told is durable, all of them answered
 * @throws as LogVerifier does; LogCorruptError
 */
export function verifyLog(dataDir: string, accounts: number, acknowledged: SerialSet): LogCount {
  const verifier = new LogVerifier(accounts)
  for (const frame of readFramesAhead(nodeDisk, dataDir, PARTITION, 1n)) verifier.take(frame)
  return verifier.countFor(acknowledged)
}

/** Counts the frames of a log, wherever they are read from: all accepted ones, in order. */
export class LogVerifier {
  readonly #core: WalletCore
  readonly #found = new SerialSet()
  #events = 0
  #accountsOpened = 0
  #refused = 0

  constructor(accounts: number, partition = PARTITION) {
    this.#core = createCore({ partition, accountsInitial: accounts })
  }

  /** @throws Error if a command stands in the log twice */
  take({ count, payload }: Pick<Frame, 'count' | 'payload'>): void {
    if (count === 0) return
    this.#core.apply(payload)
    this.#events += count
    if (payload.length !== count * EVENT_ROW_BYTES) throw new Error('a row has a text, which no command has')
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
    for (let row = 0; row < payload.length; row += EVENT_ROW_BYTES) {
      const kind = payload[row + ROW_BYTE.kind]!
      if (kind === EVENT_KINDS.AccountOpened) {
        this.#accountsOpened += 1
        continue
      }
      if (kind === EVENT_KINDS.TransferRefused) this.#refused += 1
      const serial = view.getUint32(row + ROW_BYTE.code, true)
      if (!this.#found.add(serial)) throw new Error(`command ${serial} stands in the log twice`)
    }
  }

  /** @throws Error if a command was acknowledged and does not stand in the log, or the other way round */
  countFor(acknowledged: SerialSet): LogCount {
    const [events, accountsOpened, refused] = [this.#events, this.#accountsOpened, this.#refused]
    const differing = this.#found.differsFrom(acknowledged)
    if (differing !== undefined)
      throw new Error(
        `command ${differing} was acknowledged and is not in the log, or the other way round: ` +
          `${acknowledged.count()} acknowledged, ${this.#found.count()} in the log`,
      )
    const accepted = events - accountsOpened - refused
    return { events, accountsOpened, accepted, refused, trialBalance: this.#core.trialBalance() }
  }
}

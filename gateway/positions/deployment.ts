/**
 * Which deployment this is: the beginning of the hash of the first frame of partition 0. Everybody who reads the log knows
 * it, at every gateway and after every restart; a copy of the log has it, and another log has another one, since the frame
 * carries the time at which it was written. Nothing has to be kept, shared or restored for it (docs/decisions/0023).
 */
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import type { Frame } from '../../schemas/frames.ts'
import { DEPLOYMENT_BYTES } from './tokens.ts'

/** A first frame that is there is read within this, or it is not known whose tokens are: they are taken unchecked then. */
const READ_MS_MAX = 5_000

export class Deployment {
  #id: string | undefined
  readonly #over = new AbortController()
  readonly #read: Promise<void>

  /**
   * Begins to read, or to wait for, the first frame.
   * @param log of partition 0
   * @param report gets a line where it cannot be read
   */
  constructor(log: EventLog, report: (line: string) => void) {
    this.#read = this.#look(log).catch((error: unknown) => {
      if (this.#over.signal.aborted) return
      const cause = messageOf(error)
      report(
        `gateway: the first frame of the log cannot be read, so positions of other deployments are not known as such: ${cause}`,
      )
    })
  }

  /** Undefined: it is not known, because there is no frame yet or the first one is out of reach. */
  get id(): string | undefined {
    return this.#id
  }

  /** Resolves once it is known, or known to stay unknown, or there is no frame yet. */
  async settled(log: EventLog): Promise<void> {
    if (!isEmpty(log)) await this.#read
  }

  async stop(): Promise<void> {
    this.#over.abort()
    await this.#read
  }

  async #look(log: EventLog): Promise<void> {
    const { signal } = this.#over
    // What is not written yet is waited for as long as it takes.
    const bounded = isEmpty(log) ? signal : AbortSignal.any([signal, AbortSignal.timeout(READ_MS_MAX)])
    for await (const frame of log.tail(1n, bounded)) {
      this.#id = idOf(frame)
      if (this.#id === undefined) throw new Error('the log does not begin with its first frame any more')
      return
    }
    if (!signal.aborted) throw new Error(`it took longer than ${READ_MS_MAX / 1_000} s`)
  }
}

function isEmpty(log: EventLog): boolean {
  return isZero(log.head().hash)
}

/** Undefined for any frame but the first of a chain. */
function idOf({ previousHash, hash }: Frame): string | undefined {
  return isZero(previousHash) ? Buffer.from(hash.subarray(0, DEPLOYMENT_BYTES)).toString('hex') : undefined
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

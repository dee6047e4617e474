/**
 * The id of this deployment: the first bytes of the hash of partition 0's first frame. Everybody who reads the log
 * knows it, at every gateway and after every restart. A copy of the log has the same id. Another log has another one,
 * because the frame carries the time at which it was written. So nothing has to be stored, shared or restored
 * (docs/decisions/0023).
 */
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import type { Frame } from '../../schemas/frames.ts'
import { DEPLOYMENT_BYTES } from './tokens.ts'

/**
 * How long reading an existing first frame may take. After that the id stays unknown, and tokens are taken unchecked.
 */
const READ_MS_MAX = 5_000

export class Deployment {
  #id: string | undefined
  readonly #over = new AbortController()
  readonly #read: Promise<void>

  /**
   * Begins to read, or to wait for, the first frame.
   * @param log of partition 0
   * @param report gets a line if the frame cannot be read
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

  /** Undefined while it is unknown: there is no frame yet, or the first one cannot be read. */
  get id(): string | undefined {
    return this.#id
  }

  /** Resolves once the id is known, or certain to stay unknown, or if there is no frame yet. */
  async settled(log: EventLog): Promise<void> {
    if (!isEmpty(log)) await this.#read
  }

  async stop(): Promise<void> {
    this.#over.abort()
    await this.#read
  }

  async #look(log: EventLog): Promise<void> {
    const { signal } = this.#over
    // A frame that is not written yet is waited for without a bound.
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

/** Undefined unless the frame is the first of a chain. */
function idOf({ previousHash, hash }: Frame): string | undefined {
  return isZero(previousHash) ? Buffer.from(hash.subarray(0, DEPLOYMENT_BYTES)).toString('hex') : undefined
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

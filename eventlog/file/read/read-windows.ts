/**
 * Windows: shared memory through which one thread hands the frames that it has read and verified to another, in order and
 * without a copy. The reader fills the next window as soon as one is free, so memory is bounded whatever the log's size. A
 * window belongs to the consumer from the message that lists its frames until it is released.
 */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import type { LogHead } from '../../ports.ts'
import { READ_BYTES } from '../layout/units.ts'

/** Enough that neither thread waits for the other at each window. */
const WINDOWS = 4

/** Words of the shared counters: messages sent by the reader, windows released by the consumer. */
const SENT = 0
const RELEASED = 1

/** What both threads share (structured clone shares it). */
export interface WindowShare {
  /** Window i begins at byte i × READ_BYTES. */
  readonly bytes: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
}

/** Where a verified frame stands in the shared memory. */
export interface FrameExtent {
  readonly byte: number
  readonly bytes: number
}

/** Reader → consumer. */
export type WindowMessage =
  /** The frames of one window that the consumer wants. */
  | { readonly kind: 'frames'; readonly frames: readonly FrameExtent[] }
  /** The reader has reached this head. */
  | { readonly kind: 'end'; readonly head: LogHead }
  /** The reader cannot go on: a bad log, or a failing disk. Whoever reads on by himself finds the same. */
  | { readonly kind: 'failed' }

export function createWindowShare(): WindowShare {
  return {
    bytes: new SharedArrayBuffer(WINDOWS * READ_BYTES),
    counters: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
  }
}

/** The reading thread's side. */
export class WindowFiller {
  readonly #share: WindowShare
  readonly #counters: Int32Array
  readonly #port: MessagePort
  #filled = 0

  constructor(share: WindowShare, port: MessagePort) {
    this.#share = share
    this.#counters = new Int32Array(share.counters)
    this.#port = port
  }

  /** The next window to fill; blocks until it is free. */
  next(): Uint8Array<SharedArrayBuffer> {
    for (;;) {
      const released = Atomics.load(this.#counters, RELEASED)
      if (this.#filled - released < WINDOWS) break
      Atomics.wait(this.#counters, RELEASED, released)
    }
    const window = this.#filled++ % WINDOWS
    return new Uint8Array(this.#share.bytes, window * READ_BYTES, READ_BYTES)
  }

  send(message: WindowMessage): void {
    this.#port.postMessage(message)
    Atomics.add(this.#counters, SENT, 1)
    Atomics.notify(this.#counters, SENT)
  }
}

/** The consuming thread's side. It blocks, also on the main thread. */
export class WindowTaker {
  readonly bytes: Uint8Array<SharedArrayBuffer>
  readonly #counters: Int32Array
  readonly #port: MessagePort
  #received = 0

  constructor(share: WindowShare, port: MessagePort) {
    this.bytes = new Uint8Array(share.bytes)
    this.#counters = new Int32Array(share.counters)
    this.#port = port
  }

  /** The next message; undefined if none comes within the time. */
  next(timeoutMs: number): WindowMessage | undefined {
    const outcome = Atomics.wait(this.#counters, SENT, this.#received, timeoutMs)
    if (outcome === 'timed-out') return undefined
    this.#received++
    return receiveMessageOnPort(this.#port)?.message as WindowMessage | undefined
  }

  /** Gives the oldest window that is not free back to the reader. */
  release(): void {
    Atomics.add(this.#counters, RELEASED, 1)
    Atomics.notify(this.#counters, RELEASED)
  }
}

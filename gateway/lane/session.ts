/**
 * One connection of the lane. It makes whole requests of the bytes that come in. It gathers answers, and writes all
 * that are ready in a turn of the event loop at once.
 *
 * Bounds: a header says how long its request is, but only lengths that its kind and count allow are accepted. Requests
 * under way are counted; one too many is read, dropped, and answered `busy`. If a peer does not read its answers,
 * nothing more is read from it; if that lasts too long, it is cut. So is a peer that does not finish a request that it
 * has begun.
 */
import type { Socket } from 'node:net'
import {
  encodeBusy,
  encodeSentence,
  LANE_HEADER_BYTES,
  readLaneHeader,
  type LaneHeader,
} from '../../schemas/lane.ts'
import type { RequestMemory } from './memory.ts'
import type { LaneRequest } from './request.ts'

/** What a connection needs from outside. */
export interface SessionContext {
  readonly requestsMax: number
  /** How long a request may take from its first byte to its last, in ms. */
  readonly requestMs: number
  /** How long a peer may leave answers unread, in ms. */
  readonly sendMs: number
  readonly retryAfterMs: number
  /** Memory for a request; undefined if there is none left. */
  take(slotBytes: number): RequestMemory | undefined
  give(memory: RequestMemory): void
  /** Handles a whole request. It is answered once, with `answer` or `refuse`. */
  onRequest(header: LaneHeader, memory: RequestMemory, connection: LaneSession): void
  /** Calls `flush` at the end of this turn. */
  flushSoon(connection: LaneSession): void
}

/** Bytes of answers that may wait for a slow reader before reading from it stops: two of the longest answers. */
const BACKLOG_BYTES_MAX = 256 * 1024
/** After its end a connection is still read for this long, in ms. A reset would lose its last message. */
const LINGER_MS = 2_000

export class LaneSession {
  readonly #socket: Socket
  readonly #context: SessionContext
  readonly #header = new Uint8Array(LANE_HEADER_BYTES)
  #headerBytes = 0
  /** The request that is being received; undefined while a header is awaited. */
  #receiving: LaneHeader | undefined
  /** The memory that it is received into. Undefined: it is dropped, and answered `busy`. */
  #memory: RequestMemory | undefined
  #bodyBytes = 0
  #sinceMs = 0
  /** Requests taken and not answered yet. */
  #open = 0
  /** Answers that are ready to be written. */
  #answers: (LaneRequest | Uint8Array)[] = []
  #unsent = 0
  #unsentSinceMs = 0
  #readEnded = false
  #stopping = false
  #overSinceMs: number | undefined
  readonly #onWritten = (): void => {
    this.#unsent--
    this.#unsentSinceMs = performance.now()
    if (this.#socket.isPaused() && !this.#isBacklogged()) this.#socket.resume()
    this.#endIfDone()
  }

  constructor(socket: Socket, context: SessionContext, hello: Uint8Array) {
    this.#socket = socket
    this.#context = context
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => {
      // A peer that has stopped sending may still wait for its answers.
      this.#readEnded = true
      this.#endIfDone()
    })
    socket.once('close', () => this.#closed())
    this.#write(hello)
  }

  /**
   * True while the peer still waits for something: a result that is not known yet, or an answer that is not written.
   */
  get isAwaited(): boolean {
    return this.#overSinceMs === undefined && this.#open + this.#answers.length + this.#unsent > 0
  }

  /** Sends a request's results. Its memory is free once they are written. */
  answer(request: LaneRequest): void {
    this.#queue(request)
  }

  /** Answers a request of which no command was taken. */
  refuse(message: Uint8Array, memory: RequestMemory): void {
    this.#context.give(memory)
    this.#open--
    this.#queue(message)
  }

  #queue(answer: LaneRequest | Uint8Array): void {
    if (this.#answers.push(answer) === 1) this.#context.flushSoon(this)
  }

  /** Writes all answers that are ready, in one piece. */
  flush(): void {
    const answers = this.#answers
    this.#answers = []
    if (this.#overSinceMs === undefined) this.#write(bytesOf(answers))
    for (const answer of answers) {
      if (answer instanceof Uint8Array) continue
      this.#context.give(answer.memory)
      this.#open--
    }
    this.#endIfDone()
  }

  /** Takes no further requests, and closes once those under way are answered. */
  stop(): void {
    this.#stopping = true
    this.#endIfDone()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Cuts a peer that has stalled for too long. */
  check(nowMs: number): void {
    const { sendMs, requestMs } = this.#context
    if (this.#overSinceMs !== undefined) {
      if (nowMs - this.#overSinceMs > LINGER_MS) this.#socket.destroy()
    } else if (this.#unsent > 0) {
      if (nowMs - this.#unsentSinceMs > sendMs) this.#socket.destroy()
    } else if (this.#headerBytes + (this.#receiving === undefined ? 0 : 1) > 0) {
      if (nowMs - this.#sinceMs > requestMs) this.#socket.destroy()
    }
  }

  #read(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && this.#overSinceMs === undefined)
      at =
        this.#receiving === undefined
          ? this.#readHeader(chunk, at)
          : this.#readBody(chunk, at, this.#receiving)
    if (this.#isBacklogged()) this.#socket.pause()
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headerBytes === 0) {
      this.#sinceMs = performance.now()
      if (chunk.length - at >= LANE_HEADER_BYTES) {
        this.#begin(chunk, at)
        return at + LANE_HEADER_BYTES
      }
    }
    const end = Math.min(chunk.length, at + LANE_HEADER_BYTES - this.#headerBytes)
    this.#header.set(chunk.subarray(at, end), this.#headerBytes)
    this.#headerBytes += end - at
    if (this.#headerBytes === LANE_HEADER_BYTES) {
      this.#headerBytes = 0
      this.#begin(this.#header, 0)
    }
    return end
  }

  #begin(bytes: Uint8Array, at: number): void {
    const header = readLaneHeader(bytes, at)
    if (header.kind === 'bad') return this.#fail(header.reason)
    if (header.kind !== 'request') return this.#fail(`a client does not send messages of kind ${header.kind}`)
    this.#receiving = header
    this.#bodyBytes = 0
    this.#memory =
      this.#open < this.#context.requestsMax
        ? this.#context.take(header.length - LANE_HEADER_BYTES)
        : undefined
  }

  #readBody(chunk: Buffer, at: number, header: LaneHeader): number {
    const memory = this.#memory
    const left = header.length - LANE_HEADER_BYTES - this.#bodyBytes
    const end = Math.min(chunk.length, at + left)
    if (memory !== undefined) memory.bytes.set(chunk.subarray(at, end), this.#bodyBytes)
    this.#bodyBytes += end - at
    if (end - at < left) return end
    this.#receiving = undefined
    this.#memory = undefined
    if (memory === undefined) this.#queue(encodeBusy(header.requestId, this.#context.retryAfterMs))
    else {
      this.#open++
      this.#context.onRequest(header, memory, this)
    }
    return end
  }

  /** Answers bytes that are no message, and ends the connection: nobody can tell where the next message would begin. */
  #fail(reason: string): void {
    this.#write(encodeSentence('bad_message', 0, `${reason}. The connection is closed.`))
    this.#end()
  }

  #write(bytes: Uint8Array): void {
    if (!this.#socket.writable) return
    if (this.#unsent++ === 0) this.#unsentSinceMs = performance.now()
    this.#socket.write(bytes, this.#onWritten)
  }

  #isBacklogged(): boolean {
    return this.#socket.writableLength > BACKLOG_BYTES_MAX
  }

  #endIfDone(): void {
    if (this.#overSinceMs !== undefined || !(this.#readEnded || this.#stopping)) return
    if (!this.isAwaited) this.#end()
  }

  #end(): void {
    if (this.#overSinceMs !== undefined) return
    this.#overSinceMs = performance.now()
    this.#socket.end()
    this.#dropReceiving()
  }

  #closed(): void {
    this.#overSinceMs ??= performance.now()
    this.#dropReceiving()
  }

  #dropReceiving(): void {
    if (this.#memory !== undefined) this.#context.give(this.#memory)
    this.#memory = undefined
    this.#receiving = undefined
  }
}

/** The encoded answers, one behind the other. */
function bytesOf(answers: readonly (LaneRequest | Uint8Array)[]): Uint8Array {
  let length = 0
  for (const answer of answers) length += answer instanceof Uint8Array ? answer.length : answer.answerBytes
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const answer of answers) {
    if (answer instanceof Uint8Array) bytes.set(answer, at)
    else answer.writeAnswer(bytes, at)
    at += answer instanceof Uint8Array ? answer.length : answer.answerBytes
  }
  return bytes
}

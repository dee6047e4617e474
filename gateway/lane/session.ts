/**
 * One connection of the lane: bytes in, whole requests out of them; answers gathered, one write for all that are ready in a
 * turn of the event loop.
 *
 * Bounds: a header says how long its request is, and is believed only within what its kind and count allow. Requests under
 * way are counted: one too many is read past and answered `busy`. A peer that does not read its answers is not read from
 * either, and cut when it has not read for too long; so is one that does not finish a request that it began.
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

/** What a connection is given. */
export interface SessionContext {
  readonly requestsMax: number
  /** How long a request may take from its first byte to its last, in ms. */
  readonly requestMs: number
  /** How long a peer may leave answers unread, in ms. */
  readonly sendMs: number
  readonly retryAfterMs: number
  /** Memory for a request, or undefined where there is none left. */
  take(slotBytes: number): RequestMemory | undefined
  give(memory: RequestMemory): void
  /** Gets a whole request. It is answered by `answer` or `refuse`, once. */
  onRequest(header: LaneHeader, memory: RequestMemory, connection: LaneSession): void
  /** Calls `flush` at the end of this turn. */
  flushSoon(connection: LaneSession): void
}

/** Bytes of answers that may wait for a slow reader before it is no longer read from: two of the longest. */
const BACKLOG_BYTES_MAX = 256 * 1024
/** How long a connection that is over is read past, so that its last message is not lost to a reset, in ms. */
const LINGER_MS = 2_000

export class LaneSession {
  readonly #socket: Socket
  readonly #context: SessionContext
  readonly #header = new Uint8Array(LANE_HEADER_BYTES)
  #headerBytes = 0
  /** The request that is being received; undefined while a header is awaited. */
  #receiving: LaneHeader | undefined
  /** Where it goes; undefined: it is read past, and answered busy. */
  #memory: RequestMemory | undefined
  #bodyBytes = 0
  #sinceMs = 0
  /** Requests taken and not answered yet. */
  #open = 0
  /** What is ready to be written. */
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
      // A peer may be done sending and still wait for its answers.
      this.#readEnded = true
      this.#endIfDone()
    })
    socket.once('close', () => this.#closed())
    this.#write(hello)
  }

  /** True while its peer has something to come: a result that is not known yet, or an answer that is not written. */
  get isAwaited(): boolean {
    return this.#overSinceMs === undefined && this.#open + this.#answers.length + this.#unsent > 0
  }

  /** Takes a request's results to the peer; its memory is free when they are written. */
  answer(request: LaneRequest): void {
    this.#queue(request)
  }

  /** Answers a request of which nothing was taken. */
  refuse(message: Uint8Array, memory: RequestMemory): void {
    this.#context.give(memory)
    this.#open--
    this.#queue(message)
  }

  #queue(answer: LaneRequest | Uint8Array): void {
    if (this.#answers.push(answer) === 1) this.#context.flushSoon(this)
  }

  /** Writes what is ready, in one piece. */
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

  /** Takes no further requests; closes when those under way are answered. */
  stop(): void {
    this.#stopping = true
    this.#endIfDone()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Cuts a peer that does not go on. */
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

  /** What came is no message: says so, and ends, because nobody knows where the next one would begin. */
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

/** The answers, one behind the other. */
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

/**
 * Requests over a connection that may break: as many in flight as the platform allows, the rest in their order behind them.
 *
 * What was sent and not answered is sent again over the next connection; the ids in it make that safe. A `busy` answer stops
 * all sending for as long as it says. Both end within `patienceMs`, with a typed error.
 */
import { LaneResults } from '../schemas/lane-results.ts'
import { readBusy, readSentence, type LaneHeader, type LaneHello } from '../schemas/lane.ts'
import { openConnection, type ConnectionListener, type LaneConnection } from './connection.ts'
import { BulkError, BusyError, ConnectionError, ProtocolError, RefusedError } from './errors.ts'

/** How long a sender waits for what. In ms. */
export interface SenderTimes {
  /** From the first attempt of a connection to the platform's hello. */
  readonly connectMs: number
  /** Without a message from the platform while requests are under way; then the connection counts as lost. */
  readonly answerMs: number
  /** From a request's first `busy` answer or lost connection to giving it up. */
  readonly patienceMs: number
}

interface Request {
  readonly slots: Uint8Array
  readonly count: number
  readonly partition: number
  /** Place among all requests: those that are sent again go in front, in this order. */
  readonly order: number
  readonly resolve: (results: LaneResults) => void
  readonly reject: (error: BulkError) => void
  /** When it was first answered busy, or lost; undefined: all went well. */
  troubleSinceMs: number | undefined
  /** It went out over a connection that broke. */
  wasLost: boolean
}

const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 5_000

export class Sender implements ConnectionListener {
  readonly hello: LaneHello
  readonly #url: URL
  readonly #times: SenderTimes
  #connection: LaneConnection | undefined
  #isConnecting = false
  /** Connections lost or not made, one after the other, with no results between. */
  #failures = 0
  #downSinceMs: number | undefined
  /** Answers `busy`, one after the other, with no results between. */
  #busyInARow = 0
  #pause: NodeJS.Timeout | undefined
  /** Broken beyond repair. */
  #failure: BulkError | undefined
  #isOver = false
  #nextOrder = 0
  #nextRequestId = 1
  readonly #inFlight = new Map<number, Request>()
  /** To be sent again: few, by order. */
  #again: Request[] = []
  /** Never sent. */
  readonly #waiting = new Queue<Request>()
  #lastMessageMs = 0
  readonly #watch: NodeJS.Timeout

  private constructor(url: URL, times: SenderTimes, hello: LaneHello) {
    this.#url = url
    this.#times = times
    this.hello = hello
    const everyMs = Math.min(1_000, Math.max(10, times.answerMs / 4))
    this.#watch = setInterval(() => this.#cutIfSilent(), everyMs).unref()
  }

  /** @throws ConnectionError `unreachable`, ProtocolError: once, without patience */
  static async open(url: URL, times: SenderTimes): Promise<Sender> {
    const connection = await openConnection(url, times.connectMs)
    const sender = new Sender(url, times, connection.hello)
    sender.#use(connection)
    return sender
  }

  #use(connection: LaneConnection): void {
    this.#connection = connection
    connection.listen(this)
  }

  /** Sends a request when its turn comes. The slots are the sender's until it is settled. */
  send(slots: Uint8Array, count: number, partition: number): Promise<LaneResults> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const order = this.#nextOrder++
      this.#waiting.push({
        slots,
        count,
        partition,
        order,
        resolve,
        reject,
        troubleSinceMs: undefined,
        wasLost: false,
      })
      this.#pump()
    })
  }

  /** Ends the connection. Nothing may be under way. */
  end(): void {
    this.#isOver = true
    clearInterval(this.#watch)
    clearTimeout(this.#pause)
    this.#connection?.end()
  }

  onMessage(header: LaneHeader, body: Uint8Array): void {
    this.#lastMessageMs = performance.now()
    switch (header.kind) {
      case 'results': {
        const request = this.#answered(header)
        this.#failures = 0
        this.#busyInARow = 0
        request.resolve(new LaneResults(body, header.count))
        break
      }
      case 'busy':
        this.#backOff(this.#answered(header), readBusy(body))
        break
      case 'malformed':
      case 'wrong_partition':
      case 'stopped': {
        const request = this.#answered(header)
        request.reject(new RefusedError(header.kind, `The platform took nothing of the request: ${readSentence(body, header.count)}.`, request.wasLost))
        break
      }
      case 'bad_message':
        throw new ProtocolError('bad_message', `The platform could not read what came: ${readSentence(body, header.count)}`)
      case 'hello':
      case 'request':
        throw new ProtocolError('protocol', `a ${header.kind} message came, where answers were due`)
    }
    this.#pump()
  } // prettier-ignore

  onEnd(error: BulkError): void {
    this.#connection = undefined
    this.#failures++
    for (const request of this.#inFlight.values()) {
      request.wasLost = true
      this.#again.push(request)
    }
    this.#inFlight.clear()
    if (error instanceof ProtocolError) return this.#fail(error)
    this.#again = this.#again.filter((request) => this.#isPatient(request, () => lostFor(request, error)))
    this.#pump()
  }

  #pump(): void {
    if (this.#pause !== undefined || this.#isConnecting || this.#isOver) return
    if (this.#again.length + this.#waiting.length === 0) return
    const connection = this.#connection
    if (connection === undefined) return void this.#connect()
    if (this.#again.length > 1) this.#again.sort((left, right) => left.order - right.order)
    while (this.#inFlight.size < this.hello.requestsInFlightMax) {
      const request = this.#again.shift() ?? this.#waiting.shift()
      if (request === undefined) return
      if (this.#inFlight.size === 0) this.#lastMessageMs = performance.now()
      const requestId = this.#nextRequestId
      this.#nextRequestId = requestId === 0xffff_ffff ? 1 : requestId + 1
      this.#inFlight.set(requestId, request)
      connection.send(requestId, request.partition, request.count, request.slots)
    }
  }

  #answered(header: LaneHeader): Request {
    const request = this.#inFlight.get(header.requestId)
    if (request === undefined)
      throw new ProtocolError('protocol', `an answer came for request ${header.requestId}, which is not under way`)
    if (header.kind === 'results' && header.count !== request.count)
      throw new ProtocolError('protocol', `${header.count} results came for ${request.count} commands`)
    this.#inFlight.delete(header.requestId)
    return request
  } // prettier-ignore

  /** The platform is full: nothing is sent for a while, this request first when it is over. */
  #backOff(request: Request, retryAfterMs: number): void {
    const isPatient = this.#isPatient(
      request,
      () =>
        new BusyError(
          `The platform was busy for ${this.#times.patienceMs} ms. Send the same commands later, or less at a time.`,
          request.wasLost,
        ),
    )
    if (isPatient) this.#again.push(request)
    const pauseMs = Math.max(PAUSE_MS_MIN, Math.min(retryAfterMs, PAUSE_MS_MAX))
    this.#stopFor(Math.min(PAUSE_MS_MAX, pauseMs * 2 ** Math.min(this.#busyInARow, 10)))
    this.#busyInARow++
  }

  /** Sends nothing for so long. */
  #stopFor(pauseMs: number): void {
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined
      this.#pump()
    }, pauseMs)
  }

  /** False where a request has been in trouble for too long: then it is rejected. */
  #isPatient(request: Request, error: () => BulkError): boolean {
    const nowMs = performance.now()
    request.troubleSinceMs ??= nowMs
    if (nowMs - request.troubleSinceMs <= this.#times.patienceMs) return true
    request.reject(error())
    return false
  }

  async #connect(): Promise<void> {
    this.#isConnecting = true
    const downSinceMs = (this.#downSinceMs ??= performance.now())
    try {
      if (this.#failures > 0) await delay(Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(this.#failures - 1, 10)))
      if (this.#isOver) return
      const connection = await openConnection(this.#url, this.#times.connectMs)
      if (!isSame(connection.hello, this.hello)) {
        connection.end()
        return this.#fail(new ProtocolError('protocol', 'the platform came back with other bounds: connect again'))
      }
      this.#downSinceMs = undefined
      this.#use(connection)
    } catch (error) {
      if (!(error instanceof BulkError)) throw error
      this.#failures++
      if (error instanceof ProtocolError) return this.#fail(error)
      if (performance.now() - downSinceMs > this.#times.patienceMs) {
        this.#downSinceMs = undefined
        this.#rejectAll((request) => lostFor(request, error))
      }
    } finally {
      this.#isConnecting = false
    }
    this.#pump()
  } // prettier-ignore

  /** The two sides do not understand each other: everything ends. */
  #fail(error: ProtocolError): void {
    this.#failure = error
    clearInterval(this.#watch)
    this.#rejectAll((request) => new ProtocolError(error.code, error.message, request.wasLost))
  }

  #rejectAll(error: (request: Request) => BulkError): void {
    const requests = this.#again
    this.#again = []
    for (const request of requests) request.reject(error(request))
    for (let request = this.#waiting.shift(); request !== undefined; request = this.#waiting.shift())
      request.reject(error(request))
  }

  #cutIfSilent(): void {
    const { answerMs } = this.#times
    if (this.#inFlight.size === 0 || performance.now() - this.#lastMessageMs <= answerMs) return
    this.#connection?.cut(
      new ConnectionError(
        'connection_lost',
        `The connection to the platform was lost: no answer came within ${answerMs} ms.`,
      ),
    )
  }
}

function lostFor(request: Request, { message }: BulkError): ConnectionError {
  const advice = request.wasLost
    ? 'Whether the commands took effect is not known: send them again with the same ids'
    : 'Nothing was sent: send the commands again later'
  return new ConnectionError('connection_lost', `${message} ${advice}.`, request.wasLost)
}

/** Requests were made for these bounds. */
function isSame(left: LaneHello, right: LaneHello): boolean {
  return (
    left.partitions === right.partitions &&
    left.commandsPerRequestMax === right.commandsPerRequestMax &&
    left.bytesPerRequestMax === right.bytesPerRequestMax &&
    left.requestsInFlightMax === right.requestsInFlightMax
  )
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** First in, first out, without moving what waits at every turn. */
class Queue<Item> {
  #items: Item[] = []
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  shift(): Item | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#first++]
    if (this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }
}

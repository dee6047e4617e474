/**
 * A TCP proxy that does to connections what networks do: it delays, cuts, cuts in the middle of what is sent, and falls
 * silent for a while with the connection still open; and what a load balancer does whose server is gone: it answers itself.
 * It never repeats and never changes a byte, as TCP never does. Seeded: each connection's fate is drawn when it is made.
 * Bounded: every silence ends, by a cut.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { chanceOf } from './mutations.ts'

export type ConnectionFate =
  /** All of it arrives. */
  | 'passed'
  /** All of it arrives, each piece a little late. */
  | 'delayed'
  /** Refused as soon as it is made. */
  | 'refused'
  /** Reset after so many bytes to the server. */
  | 'cut while sent'
  /** Reset after so many bytes of the answer: the server has done what it was asked. */
  | 'cut while answered'
  /** After so many bytes to the server nothing more arrives, either way, and in the end it is reset. */
  | 'silent'
  /** The answer is kept back, and in the end the connection is reset. */
  | 'answer lost'
  /** Answered with 503 in the server's place, which hears nothing of it. */
  | 'turned down'

export interface TcpProxy {
  /** Where it listens: what the target's URL is, with another port. */
  readonly url: string
  /** From now on everything passes, on connections made before as well. */
  heal(): void
  /** Cuts every connection: new ones meet new fates. */
  renew(): void
  /** Faults that no connection has met yet. */
  missing(): readonly ConnectionFate[]
  close(): Promise<void>
}

export interface ProxyOptions {
  readonly target: string
  readonly seed: number
  /** Of a hundred connections, how many meet a fault. Default: 50. */
  readonly faultPercent?: number
  /** Bytes after which a fault may come, at most. Default: 40,000. */
  readonly bytesMax?: number
  /** Longest silence, in ms. Default: 400. */
  readonly silenceMsMax?: number
}

const DELAY_MS_MAX = 20
const FAULTS = [
  'delayed',
  'refused',
  'cut while sent',
  'cut while answered',
  'silent',
  'answer lost',
  'turned down',
] as const
const UNAVAILABLE = '<html><body><h1>503 Service Unavailable</h1></body></html>'
const TURNED_DOWN = `HTTP/1.1 503 Service Unavailable\r\ncontent-length: ${UNAVAILABLE.length}\r\nconnection: close\r\n\r\n${UNAVAILABLE}`

/** Starts a proxy before a server on loopback. */
export async function startProxy(options: ProxyOptions): Promise<TcpProxy> {
  const { target, seed, faultPercent = 50, bytesMax = 40_000, silenceMsMax = 400 } = options
  const chance = chanceOf(seed)
  const { hostname, port } = new URL(target)
  const links = new Set<Link>()
  const met = new Set<ConnectionFate>()
  let isHealed = false
  /** Each fault once, in an order of the seed's, before any comes again: few connections meet them all. */
  let bag: ConnectionFate[] = []
  const draw = (): ConnectionFate => {
    if (isHealed || chance(100) >= faultPercent) return 'passed'
    if (bag.length === 0) bag = [...FAULTS]
    return bag.splice(chance(bag.length), 1)[0]!
  }
  const server = createServer((client) => {
    const fate = draw()
    met.add(fate)
    const link = new Link(client, connect(Number(port), hostname), {
      fate,
      // Small numbers as well: the first byte, the middle of a header.
      afterBytes: chance(2) === 0 ? chance(600) : chance(bytesMax),
      silenceMs: 1 + chance(silenceMsMax),
      delayMs: () => chance(DELAY_MS_MAX),
    })
    links.add(link)
    client.once('close', () => links.delete(link))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heal: () => {
      isHealed = true
      for (const link of links) if (link.isFaulty) link.cut()
    },
    renew: () => {
      for (const link of links) link.cut()
    },
    missing: () => FAULTS.filter((fault) => !met.has(fault)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const link of links) link.cut()
      }),
  }
}

interface Drawn {
  readonly fate: ConnectionFate
  readonly afterBytes: number
  readonly silenceMs: number
  readonly delayMs: () => number
}

/** A connection and its continuation. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #drawn: Drawn
  #sent = 0
  #answered = 0
  #isSilent = false
  /** What was sent before is forwarded before: pieces keep their order. */
  #forwarding: Promise<void> = Promise.resolve()

  constructor(client: Socket, server: Socket, drawn: Drawn) {
    this.#client = client
    this.#server = server
    this.#drawn = drawn
    for (const socket of [client, server]) {
      socket.on('error', () => this.cut())
      socket.on('close', () => this.cut())
    }
    if (drawn.fate === 'refused') {
      this.cut()
      return
    }
    client.on('data', (piece: Buffer) => this.#send(piece))
    server.on('data', (piece: Buffer) => this.#answer(piece))
  }

  get isFaulty(): boolean {
    return this.#drawn.fate !== 'passed' && this.#drawn.fate !== 'delayed'
  }

  /** Resets both sides. */
  cut(): void {
    for (const socket of [this.#client, this.#server]) if (!socket.destroyed) socket.resetAndDestroy()
  }

  #send(piece: Buffer): void {
    const { fate, afterBytes } = this.#drawn
    const left = afterBytes - this.#sent
    this.#sent += piece.length
    if (this.#isSilent) return
    const isReached = left < piece.length
    if (fate === 'turned down') {
      this.#isSilent = true
      this.#client.end(TURNED_DOWN)
    } else if (fate === 'cut while sent' && isReached) {
      // What is before the cut arrives, and the server is left with half a request.
      this.#server.write(piece.subarray(0, Math.max(0, left)), () => this.cut())
    } else if (fate === 'silent' && isReached) {
      this.#server.write(piece.subarray(0, Math.max(0, left)))
      this.#fallSilent()
    } else this.#forward(this.#server, piece)
  }

  #answer(piece: Buffer): void {
    const { fate, afterBytes } = this.#drawn
    const left = (afterBytes % 600) - this.#answered
    this.#answered += piece.length
    if (this.#isSilent) return
    if (fate === 'answer lost') this.#fallSilent()
    else if (fate === 'cut while answered' && left < piece.length)
      this.#client.write(piece.subarray(0, Math.max(0, left)), () => this.cut())
    else this.#forward(this.#client, piece)
  }

  #fallSilent(): void {
    this.#isSilent = true
    setTimeout(() => this.cut(), this.#drawn.silenceMs)
  }

  #forward(socket: Socket, piece: Buffer): void {
    if (this.#drawn.fate !== 'delayed') {
      if (!socket.destroyed) socket.write(piece)
      return
    }
    this.#forwarding = this.#forwarding
      .then(() => new Promise<void>((resolve) => setTimeout(resolve, this.#drawn.delayMs())))
      .then(() => {
        if (!socket.destroyed) socket.write(piece)
      })
  }
}

/** A TCP proxy on loopback that is told what to do to connections, and when: to delay, to cut, to swallow what it is given. */
import net from 'node:net'

export interface SwitchedProxy {
  readonly port: number
  /** `host:port`. */
  readonly address: string
  /** From now on each piece arrives so much later, both ways; 0: at once. */
  delay(ms: number): void
  /**
   * A black hole: connections open and take what they are given, and nothing arrives, ends of connections neither.
   * @param which `there`: only what clients send; what they are sent arrives. Default: both ways
   */
  hold(which?: 'there' | 'both'): void
  /** Ends that: what was held back arrives after all, as late as it is, also where one side has gone meanwhile. */
  flow(): void
  /** Ends every connection at once. */
  cut(): void
  /** As a port on which nobody listens: ends every connection, and new ones at once. */
  refuse(): void
  /** Ends that. */
  accept(): void
  /** Connections open now. */
  connections(): number
  /** Connections that were turned away, over its whole life. */
  turnedAway(): number
  close(): Promise<void>
}

/** @param targetPort port of loopback to which it leads */
export async function startSwitchedProxy(targetPort: number): Promise<SwitchedProxy> {
  const proxy = new Proxy(targetPort)
  await proxy.listen()
  return proxy
}

class Proxy implements SwitchedProxy {
  readonly #server: net.Server
  readonly #ways = new Set<Way>()
  readonly #sockets = new Set<net.Socket>()
  #isRefusing = false
  #away = 0
  delayMs = 0
  holds: 'nothing' | 'there' | 'both' = 'nothing'

  constructor(targetPort: number) {
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => {
      if (this.#isRefusing) {
        this.#away++
        client.destroy()
        return
      }
      const target = net.connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
      for (const socket of [client, target]) {
        socket.setNoDelay(true)
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
      }
      const there = new Way(this, client, target, () => this.holds !== 'nothing')
      const back = new Way(this, target, client, () => this.holds === 'both')
      for (const way of [there, back]) {
        this.#ways.add(way)
        way.onOver = () => this.#ways.delete(way)
      }
    })
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', resolve)
    })
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  delay(ms: number): void {
    this.delayMs = ms
  }

  hold(which: 'there' | 'both' = 'both'): void {
    this.holds = which
  }

  flow(): void {
    this.holds = 'nothing'
    for (const way of this.#ways) way.pass()
  }

  cut(): void {
    for (const way of this.#ways) way.drop()
    for (const socket of this.#sockets) socket.destroy()
  }

  refuse(): void {
    this.#isRefusing = true
    this.cut()
  }

  accept(): void {
    this.#isRefusing = false
  }

  connections(): number {
    return this.#sockets.size / 2
  }

  turnedAway(): number {
    return this.#away
  }

  close(): Promise<void> {
    this.refuse()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

interface Piece {
  /** Undefined: the end of the stream. */
  readonly bytes: Buffer | undefined
  readonly dueMs: number
}

/** One direction of one connection. */
class Way {
  onOver: () => void = () => undefined
  readonly #proxy: Proxy
  readonly #to: net.Socket
  readonly #isHeld: () => boolean
  #pieces: Piece[] = []
  #timer: NodeJS.Timeout | undefined
  #hasEnded = false

  constructor(proxy: Proxy, from: net.Socket, to: net.Socket, isHeld: () => boolean) {
    this.#proxy = proxy
    this.#isHeld = isHeld
    this.#to = to
    from.on('data', (bytes) => this.#push(bytes))
    const end = (): void => {
      if (this.#hasEnded) return
      this.#hasEnded = true
      this.#push(undefined)
    }
    from.once('end', end)
    from.once('close', end)
    from.on('error', end)
    to.once('close', () => this.drop())
  }

  /** Passes on what is due. */
  pass(): void {
    clearTimeout(this.#timer)
    for (let piece = this.#pieces[0]; piece !== undefined && !this.#isHeld(); piece = this.#pieces[0]) {
      const waitMs = piece.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pass(), waitMs)
        return
      }
      this.#pieces.shift()
      if (piece.bytes !== undefined) this.#to.write(piece.bytes)
      else this.#finish()
    }
  }

  /** What is on its way never arrives. */
  drop(): void {
    clearTimeout(this.#timer)
    this.#pieces = []
    this.onOver()
  }

  #push(bytes: Buffer | undefined): void {
    this.#pieces.push({ bytes, dueMs: performance.now() + this.#proxy.delayMs })
    this.pass()
  }

  #finish(): void {
    this.#to.end()
    this.onOver()
  }
}

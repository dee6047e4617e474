/** Ways by which commands reach a writer, and an echo that reaches none: what a load is sent through. */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connectBulk } from '../client/client.ts'
import type { CommandOffset, OfferOffsets } from '../eventlog/ports.ts'
import { LANE_RESULT_BYTES, type LaneResults } from '../schemas/lane-results.ts'
import { LANE_HEADER_BYTES } from '../schemas/lane.ts'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import type { Writer } from '../writer/writer.ts'

/** What a lane tells of the commands of one message. */
export interface LaneAnswer {
  /** Accepted or refused, and durable. */
  readonly decided: number
  readonly refused: number
  /** Ids that were used before. */
  readonly repeated: number
}

export interface Lane {
  /**
   * Sends one message and waits until all its commands are durable. The slots are the lane's until then.
   * Rejects where an outcome is not known: a benchmark has no use for that.
   */
  send(slots: Uint8Array, count: number): Promise<LaneAnswer>
  close(): Promise<void>
}

/** An offer whose outcome is awaited. */
interface Offered {
  readonly count: number
  /** Undefined until it is known: frames may tell of it before. */
  stands: OfferOffsets | undefined
  readonly settle: () => void
  readonly fail: (error: Error) => void
}

/** A writer's queue and log: its own within its process, or those that a gateway has. What sockets cost is not in it. */
export function queueLane({ queue, log }: Pick<Writer, 'queue' | 'log'>): Lane {
  /** In the order of the offers. */
  const waiting: Offered[] = []
  const head = log.head()
  let consumed: CommandOffset = { offset: head.nextCommandOffset, index: head.nextCommandIndex }
  const settle = (): void => {
    const isDone = ({ stands, count }: Offered): boolean =>
      stands?.before(consumed.offset, consumed.index) === count
    while (waiting.length > 0 && isDone(waiting[0]!)) waiting.shift()!.settle()
  }
  const over = new AbortController()
  const following = (async () => {
    for await (const frame of log.tail(head.sequence + 1n, over.signal)) {
      consumed = { offset: frame.nextCommandOffset, index: frame.nextCommandIndex }
      settle()
    }
  })()
  following.catch((error: unknown) => {
    for (const { fail } of waiting.splice(0)) fail(error as Error)
  })
  return {
    async send(slots, count) {
      for (;;) {
        // What became of each stands in the log alone.
        let done = (): void => undefined
        let failed: (error: Error) => void = () => undefined
        const outcome = new Promise<void>((resolve, reject) => {
          done = resolve
          failed = reject
        })
        const offer: Offered = { count, stands: undefined, settle: done, fail: failed }
        const { kind } = queue.offer(slots, count, (place) => {
          if (place === undefined) failed(new Error('it is not known whether commands were stored'))
          offer.stands = place
          settle()
        })
        if (kind === 'stopped') throw new Error('the writer has stopped')
        if (kind === 'busy') {
          await delay(1)
          continue
        }
        waiting.push(offer)
        settle()
        await outcome
        return { decided: count, refused: 0, repeated: 0 }
      }
    },
    async close() {
      over.abort()
      await following
    },
  }
}

/**
 * A connection to a server that answers each message with as many bytes as results would take, and does nothing else: what
 * Node's sockets alone allow.
 */
export async function echoLane(port: number): Promise<Lane> {
  const socket = await connected(port)
  const waiting: {
    readonly bytes: number
    readonly settle: () => void
    readonly fail: (e: Error) => void
  }[] = []
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    while (waiting.length > 0 && received >= waiting[0]!.bytes) {
      const { bytes, settle } = waiting.shift()!
      received -= bytes
      settle()
    }
  })
  socket.on('close', () => {
    for (const { fail } of waiting) fail(new Error('the echo server went away'))
  })
  const header = new Uint8Array(LANE_HEADER_BYTES)
  return {
    send: (slots, count) =>
      new Promise((resolve, reject) => {
        waiting.push({
          bytes: LANE_HEADER_BYTES + count * LANE_RESULT_BYTES,
          settle: () => resolve({ decided: 0, refused: 0, repeated: 0 }),
          fail: reject,
        })
        socket.cork()
        socket.write(header)
        socket.write(slots.subarray(0, count * COMMAND_SLOT_BYTES))
        socket.uncork()
      }),
    async close() {
      socket.destroy()
    },
  }
}

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Opens a connection to a platform's bulk lane, by the client that everybody uses. */
export async function bulkLane(port: number): Promise<Lane> {
  const client = await connectBulk({ url: `http://127.0.0.1:${port}` })
  return {
    async send(slots, count) {
      const results = await client.submitSlots(slots, count)
      const { decided, refused, faults, replayed } = results.tally()
      if (faults > 0)
        throw new Error(`${faults} of ${count} commands have no outcome: ${firstFault(results)}`)
      return { decided, refused, repeated: replayed }
    },
    close: () => client.close(),
  }
}

function firstFault(results: LaneResults): string {
  for (let index = 0; index < results.count; index++) {
    const result = results.at(index)
    if (result?.status === 'fault') return result.code
  }
  return 'a result of another version'
}

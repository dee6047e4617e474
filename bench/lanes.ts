/** Ways by which commands reach a writer, and an echo that reaches none: what a load is sent through. */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connectBulk } from '../client/client.ts'
import type { OfferPlace } from '../eventlog/ports.ts'
import type { Frame } from '../schemas/frames.ts'
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

/** The writer's own queue, in the writer's own process: what sockets cost is what this does not. */
export function queueLane(writer: Writer): Lane {
  const waiting: { readonly isIn: (frame: Frame) => boolean; readonly settle: () => void }[] = []
  const over = new AbortController()
  const following = (async () => {
    for await (const frame of writer.log.tail(writer.log.head().sequence + 1n, over.signal))
      while (waiting.length > 0 && waiting[0]!.isIn(frame)) waiting.shift()!.settle()
  })()
  return {
    async send(slots, count) {
      for (;;) {
        let stands: OfferPlace | undefined
        const offered = writer.queue.offer(slots, count, (place) => (stands = place))
        if (offered.kind === 'stopped') throw new Error('the writer has stopped')
        if (offered.kind === 'busy') {
          await delay(1)
          continue
        }
        const isIn = (frame: Frame): boolean =>
          stands!.before(frame.nextCommandOffset, frame.nextCommandIndex) === count
        // What became of each stands in the log alone.
        return new Promise((resolve) => {
          waiting.push({ isIn, settle: () => resolve({ decided: count, refused: 0, repeated: 0 }) })
        })
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

/**
 * The bulk lane: binary commands over a socket, and a result of 16 bytes for each (docs/bulk-lane.md). It begins as an
 * HTTP upgrade on the platform's own port, and passes the same admission, queue and feed as every other door.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { checkCommands } from '../../schemas/check-commands.ts'
import {
  encodeBusy,
  encodeHello,
  encodeSentence,
  LANE_PROTOCOL,
  LANE_REQUEST_BYTES_MAX,
  LANE_VERSION,
  ANY_PARTITION,
  type LaneHeader,
  type LaneSentence,
} from '../../schemas/lane.ts'
import { BATCH_COMMANDS_MAX } from '../../schemas/limits.ts'
import type { Admission } from '../admission/admission.ts'
import { answerOf } from '../doors/graphql/error-answers.ts'
import { codeOf, fault } from '../errors.ts'
import { refuseUpgrade } from '../admission/refuse-upgrade.ts'
import type { Services } from '../services.ts'
import { RETRY_AFTER_MS } from '../submit/submit.ts'
import { LaneSession, type SessionContext } from './session.ts'
import { LaneMemory, type RequestMemory } from './memory.ts'
import { settlePrepared } from './prepare.ts'
import { LaneRequest } from './request.ts'
import { stampAndRoute } from './stamp-and-route.ts'

export interface Lane {
  /** Connections open now. */
  count(): number
  /** Connections whose peer still waits for something: a result that is not known, or an answer that is not written. */
  unanswered(): number
  /** Takes over a connection that asks for the lane. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void
  /** Takes no further requests. Each connection closes once its requests under way are answered. */
  drain(): void
  /** Cuts the connections that are still open. */
  stop(): void
}

const SWEEP_EVERY_MS = 1_000
/** TCP checks after this long whether a silent peer is still there, in ms. */
const KEEP_ALIVE_MS = 60_000

export function openLane(services: Services, admission: Admission): Lane {
  const { limits } = services
  const memory = new LaneMemory(limits.laneBytesMax)
  const connections = new Set<LaneSession>()
  const doors = new LaneDoors(services, admission, memory)
  const hello = encodeHello({
    version: LANE_VERSION,
    partitions: services.submitter.partitions,
    commandsPerRequestMax: BATCH_COMMANDS_MAX,
    bytesPerRequestMax: LANE_REQUEST_BYTES_MAX,
    requestsInFlightMax: limits.laneRequestsPerConnectionMax,
  })
  const sweeper = setInterval(() => {
    const nowMs = performance.now()
    for (const connection of connections) connection.check(nowMs)
  }, SWEEP_EVERY_MS).unref()

  return {
    count: () => connections.size,
    unanswered: () => [...connections].filter((connection) => connection.isAwaited).length,
    upgrade: (request, socket, head) => {
      if (request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== LANE_PROTOCOL)
        return refuseUpgrade(
          socket,
          fault('BAD_REQUEST', `What is spoken here is the upgrade to ${LANE_PROTOCOL}.`),
          426,
          { Upgrade: LANE_PROTOCOL },
        )
      if (admission.draining || connections.size >= limits.laneConnectionsMax)
        return refuseUpgrade(
          socket,
          fault('BUSY', 'It is going down, or has as many connections as it may.'),
          503,
        )
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${LANE_PROTOCOL}\r\n\r\n`,
      )
      socket.setNoDelay(true)
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      // Bytes that came with the upgrade are the beginning of the stream.
      if (head.length > 0) socket.unshift(head)
      const connection = new LaneSession(socket, doors, hello)
      connections.add(connection)
      socket.once('close', () => connections.delete(connection))
    },
    drain: () => {
      for (const connection of connections) connection.stop()
    },
    stop: () => {
      clearInterval(sweeper)
      for (const connection of connections) connection.destroy()
    },
  }
}

/** Handles a request from its last byte to its answer. */
class LaneDoors implements SessionContext {
  readonly requestsMax: number
  readonly requestMs: number
  readonly sendMs: number
  readonly retryAfterMs = RETRY_AFTER_MS
  readonly #services: Services
  readonly #admission: Admission
  readonly #memory: LaneMemory
  #toFlush: LaneSession[] = []
  /** Of connections of which a request waits for claims: until when whatever comes behind it waits as well. */
  readonly #behind = new Map<LaneSession, Promise<void>>()

  constructor(services: Services, admission: Admission, memory: LaneMemory) {
    this.requestsMax = services.limits.laneRequestsPerConnectionMax
    this.requestMs = services.limits.laneRequestMs
    this.sendMs = services.limits.socketSendMs
    this.#services = services
    this.#admission = admission
    this.#memory = memory
  }

  take(slotBytes: number): RequestMemory | undefined {
    return this.#memory.take(slotBytes)
  }

  give(memory: RequestMemory): void {
    this.#memory.give(memory)
  }

  flushSoon(connection: LaneSession): void {
    if (this.#toFlush.push(connection) > 1) return
    setImmediate(() => {
      const connections = this.#toFlush
      this.#toFlush = []
      for (const each of connections) each.flush()
    })
  }

  onRequest(header: LaneHeader, memory: RequestMemory, connection: LaneSession): void {
    let release: () => void
    try {
      release = this.#admission.admit(COMMANDS, 'lane')
    } catch (error) {
      return connection.refuse(refusalOf(error, header.requestId), memory)
    }
    const { views, limits, submitter, commands, scales } = this.#services
    const request = new LaneRequest(
      header,
      memory,
      { views, outcomeWaitMs: limits.outcomeWaitMs, partitions: submitter.partitions },
      (done) => {
        release()
        connection.answer(done)
      },
    )
    const refuseAs = (message: Uint8Array): void => {
      release()
      connection.refuse(message, memory)
    }
    const say = (kind: LaneSentence, sentence: string): void =>
      refuseAs(encodeSentence(kind, header.requestId, sentence))

    const wrong = checkCommands(request.slots, request.count)
    if (wrong !== undefined) return say('malformed', wrong)
    const { partitions } = submitter
    if (header.partition !== ANY_PARTITION && header.partition >= partitions)
      return say('wrong_partition', `there are ${partitions} partitions, counted from 0`)
    const { currencies, clock } = commands
    const isScaleFixed = (code: string, scale: number): boolean => scales.isFixed(code, scale)
    const context = {
      receivedAtNs: clock(),
      currencies,
      isScaleFixed,
      partitions,
      partition: header.partition,
    }
    const taken = stampAndRoute(memory, request.count, context)
    switch (taken.kind) {
      case 'wrong_partition':
        return say(taken.kind, taken.sentence)
      case 'prepare':
        return this.#prepare(request, refuseAs)
      case 'plain': {
        const partition = header.partition === ANY_PARTITION ? 0 : header.partition
        const homes = submitter.homesAway(request, partition)
        if (!this.#memory.wait(memory, [partition, ...homes.keys()]))
          return refuseAs(encodeBusy(header.requestId, RETRY_AFTER_MS))
        const offer = (): void => {
          const offered = submitter.offer(request.slots, partition, request)
          if (offered === 'busy') refuseAs(encodeBusy(header.requestId, RETRY_AFTER_MS))
          else if (offered === 'stopped') say('stopped', submitter.stopReason(partition))
        }
        if (homes.size === 0 && !this.#behind.has(connection)) return offer()
        const claiming = submitter.claim(request, homes, partition, context.receivedAtNs)
        this.#inOrder(connection, claiming, (denied) => {
          if (denied.size === 0) offer()
          // Each command is answered for itself, its group with it. What was granted is granted once more.
          else this.#prepare(request, refuseAs, true)
        }, (error) => this.#fail(request, error, refuseAs)) // prettier-ignore
      }
    }
  }

  /**
   * Goes on with a request once its ids are claimed, and behind whatever of its connection waits for claims: batches of a
   * connection are decided in their order.
   */
  #inOrder<Value>(
    connection: LaneSession,
    claiming: Promise<Value>,
    goOn: (value: Value) => void,
    fail: (error: unknown) => void,
  ): void {
    const before = this.#behind.get(connection)
    // It is waited for only behind those before it, and may have failed by then.
    claiming.catch(() => undefined)
    const work = async (): Promise<void> => {
      await before
      try {
        goOn(await claiming)
      } catch (error) {
        fail(error)
      }
    }
    const turn: Promise<void> = work().finally(() => {
      if (this.#behind.get(connection) === turn) this.#behind.delete(connection)
    })
    this.#behind.set(connection, turn)
  }

  /** @param isWaiting true if it is known already for which partitions the request waits */
  #prepare(request: LaneRequest, refuseAs: (message: Uint8Array) => void, isWaiting = false): void {
    const waits = (partitions: readonly number[]): void => {
      if (!isWaiting && !this.#memory.wait(request.memory, partitions))
        throw fault('BUSY', 'As many requests wait for a partition as fit.', { retryAfterMs: RETRY_AFTER_MS })
    }
    settlePrepared(this.#services, request, waits).catch((error: unknown) => this.#fail(request, error, refuseAs))
  } // prettier-ignore

  #fail(request: LaneRequest, error: unknown, refuseAs: (message: Uint8Array) => void): void {
    const code = codeOf(error)
    if (code === 'BUSY' || code === 'WRITER_STOPPED') return refuseAs(refusalOf(error, request.id))
    // Logs the error if it is a bug of ours.
    answerOf(error, this.#services.log)
    request.onUnknown(0, request.count)
  }
}

const COMMANDS = { kind: 'commands', name: undefined } as const

/** The answer to a request that was not let in. */
function refusalOf(error: unknown, requestId: number): Uint8Array {
  if (codeOf(error) === 'BUSY') return encodeBusy(requestId, RETRY_AFTER_MS)
  if (codeOf(error) === undefined) throw error
  return encodeSentence('stopped', requestId, (error as Error).message)
}

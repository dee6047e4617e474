/**
 * The only door to kafkajs 2.2.4, which is not maintained any more. It is patched here before it is used: its package has no
 * `exports`, so its inner files can be required by path.
 *
 * - Its request queue arms a timer every millisecond for each idle connection, some 5 % of a core. We arm it only while a
 *   request waits.
 * - Its CRC-32C is in JavaScript, a third of the client's time. We use the native one.
 * - Its encoders copy what is sent seven times. We encode requests that carry records ourselves (produce-request.ts).
 * - It re-authenticates 10 s before a session ends; on shorter sessions that is every request. We start later.
 * - It asks all brokers for a group's coordinator and drops the reasons of their refusals. We throw the refusal.
 * - It knows no topic ids. We ask for them with a request of our own (topic-identity.ts).
 * - Its decoder gives all records of an answer or none. We decode records ourselves (record-batches.ts).
 * - It logs as errors what it then repairs. We pass on only lines that an operator can act on, each once in a while.
 */
import { createRequire } from 'node:module'
import net from 'node:net'
import tls from 'node:tls'
import { crc32c } from '@node-rs/crc32'
import type * as kafkajs from 'kafkajs'
import {
  encodeProduceRequest,
  PRODUCE_API_KEY,
  PRODUCE_API_VERSION,
  type ProduceRequest,
} from '../wire/produce-request.ts'
import { decodeFetchResponse, type FetchResponse } from '../wire/fetch-response.ts'
import { logCreatorFor, type Log } from './log-lines.ts'
import type { BrokerOfKafkajs, Cluster, ResponseOfKafkajs } from './kafkajs-parts.ts'
import type { KafkaSettings } from '../settings.ts'
import {
  decodeIdentityAnswer,
  encodeIdentityRequest,
  IDENTITY_API_VERSION,
  METADATA_API_KEY,
  type TopicIdentity,
} from '../topics/topic-identity.ts'
import { isLasting, classifyError } from './classify-error.ts'

const require = createRequire(import.meta.url)
replaceCrc()
replaceCreateRequest()
const library = require('kafkajs') as typeof kafkajs
stopIdleTimers()
tellRefusals()

/** Encodes and decodes the data of a consumer group's assigner. */
export const AssignerProtocol: typeof kafkajs.AssignerProtocol = library.AssignerProtocol

/** Longest wait for a TCP or TLS connection. */
export const CONNECT_MS_MAX = 3_000
/** Longest wait for an answer, after which the broker is given up. */
export const REQUEST_MS_MAX = 10_000
/**
 * How long before a session's end (`connections.max.reauth.ms` of the broker) the next request re-authenticates first. A
 * broker accepts that once a second at most, so sessions have to last a second longer than this.
 */
const REAUTHENTICATE_BEFORE_MS = 1_500

export type { Log } from './log-lines.ts'

/**
 * A client for producers, groups and administration.
 * @param retry how often connections are tried; default: kafkajs's own way, some ten seconds
 */
export function createKafka(settings: KafkaSettings, log: Log, retry?: kafkajs.RetryOptions): kafkajs.Kafka {
  return new library.Kafka({
    ...connectionOptions(settings),
    ...logOptions(log),
    brokers: [...settings.brokers],
    connectionTimeout: CONNECT_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    ...(retry === undefined ? {} : { retry }),
  })
}

/** A producer with its partitioner named, so that kafkajs does not warn of its default. Partitions are set by the caller. */
export function createProducer(
  kafka: kafkajs.Kafka,
  options: Omit<kafkajs.ProducerConfig, 'createPartitioner'> = {},
): kafkajs.Producer {
  return kafka.producer({ ...options, createPartitioner: library.Partitioners.DefaultPartitioner })
}

/** One broker. Every call is one request, and is never repeated. */
export interface Broker {
  /** Record batches of a partition, as the broker stores them (record-batches.ts); the last one may be cut off. */
  fetch(request: FetchRequest): Promise<Buffer>
  listOffsets(request: {
    readonly isolationLevel: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[]
    }[]
  }): Promise<{
    readonly responses: readonly { readonly partitions: readonly { readonly offset: string }[] }[]
  }>
  /** Stores values as one record batch. @returns the offset of the first one */
  produce(request: Omit<ProduceRequest, 'timestampMs'>): Promise<bigint>
  /** The id of the topic that has this name now, 16 bytes; undefined: this broker knows no ids. */
  topicId(topic: string): Promise<Uint8Array | undefined>
}

export interface FetchRequest {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** How long the broker may wait for records to come, in ms. */
  readonly waitMs: number
  /** Of the answer. A longer first batch comes whole all the same. */
  readonly bytesMax: number
}

interface ProduceAnswer {
  readonly topics: readonly { readonly partitions: readonly { readonly baseOffset: string }[] }[]
}

const produceResponse =
  require('kafkajs/src/protocol/requests/produce/v7/response') as ResponseOfKafkajs<ProduceAnswer>
const fetchRequest = require('kafkajs/src/protocol/requests/fetch/v10/request') as (request: object) => object
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as {
  createErrorFromCode: (code: number) => Error
}

/** A client, not a replica. */
const REPLICA_ID = -1
/** Reads everything below the high watermark, transactions or not, so every reader sees the same. */
export const READ_UNCOMMITTED = 0

/** Leaves the batches as they are. kafkajs would decode all records at once, or fail at one batch that it cannot unpack. */
const fetchResponse: ResponseOfKafkajs<FetchResponse> = {
  decode: async (bytes) => decodeFetchResponse(bytes),
  async parse(answer) {
    if (answer.errorCode !== 0) throw createErrorFromCode(answer.errorCode)
    return answer
  },
}

const identityResponse: ResponseOfKafkajs<TopicIdentity> = {
  decode: async (bytes) => decodeIdentityAnswer(bytes),
  async parse(answer) {
    if (answer.errorCode !== 0) throw createErrorFromCode(answer.errorCode)
    return answer
  },
}

/** Sends over kafkajs's connections, which match answers and time out. The bytes of records are our own. */
function brokerOver(inner: BrokerOfKafkajs): Broker {
  return {
    async fetch({ topic, partition, offset, waitMs, bytesMax }) {
      const { batches } = await inner.connectionPool.send({
        request: fetchRequest({
          replicaId: REPLICA_ID,
          isolationLevel: READ_UNCOMMITTED,
          maxWaitTime: waitMs,
          minBytes: 1,
          maxBytes: bytesMax,
          topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: bytesMax }] }],
        }),
        response: fetchResponse,
      })
      return batches
    },
    listOffsets: (request) => inner.listOffsets(request),
    async produce(request) {
      const encodeWhole = (header: Buffer): Buffer =>
        encodeProduceRequest(header, { ...request, timestampMs: Date.now() })
      const { topics } = await inner.connectionPool.send({
        request: {
          apiKey: PRODUCE_API_KEY,
          apiVersion: PRODUCE_API_VERSION,
          apiName: 'Produce',
          encodeWhole,
        },
        response: produceResponse,
      })
      return BigInt(topics[0]!.partitions[0]!.baseOffset)
    },
    async topicId(topic) {
      if ((inner.versions?.[METADATA_API_KEY]?.maxVersion ?? 0) < IDENTITY_API_VERSION) return undefined
      const { id } = await inner.connectionPool.send({
        request: {
          apiKey: METADATA_API_KEY,
          apiVersion: IDENTITY_API_VERSION,
          apiName: 'Metadata',
          encodeWhole: (header: Buffer) => encodeIdentityRequest(header, topic),
        },
        response: identityResponse,
      })
      return id.every((byte) => byte === 0) ? undefined : id
    },
  }
}

const ClusterOfKafkajs = require('kafkajs/src/cluster') as new (options: object) => Cluster
const { createLogger, LEVELS } = require('kafkajs/src/loggers') as {
  createLogger: (options: ReturnType<typeof logOptions>) => unknown
  LEVELS: { readonly WARN: number }
}

/** A view of the cluster over its own connections, without retries. */
export interface OwnCluster {
  readonly cluster: Cluster
  /** Cuts every socket at once; requests under way reject. */
  readonly destroy: () => void
}

/**
 * Connects to nobody yet.
 * @param addresses of brokers, in the order in which they are tried
 * @param requestMsMax longest wait for an answer
 */
export function openCluster(
  settings: KafkaSettings,
  addresses: readonly string[],
  log: Log,
  requestMsMax = REQUEST_MS_MAX,
): OwnCluster {
  const sockets = new Set<net.Socket>()
  let isDestroyed = false
  const destroy = (): void => {
    isDestroyed = true
    // With an error, so that requests under way reject now and not by their timeout.
    for (const socket of sockets) socket.destroy(new Error(CUT))
  }
  const cluster = new ClusterOfKafkajs({
    ...connectionOptions(settings),
    brokers: [...addresses],
    logger: createLogger(logOptions(log)),
    socketFactory: (target: kafkajs.ISocketFactoryArgs) => {
      const socket = openSocket(target)
      if (isDestroyed) socket.destroy(new Error(CUT))
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
    connectionTimeout: CONNECT_MS_MAX,
    requestTimeout: requestMsMax,
    enforceRequestTimeout: true,
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    retry: { retries: 0 },
  })
  return { cluster, destroy }
}

/**
 * True if the broker at this address, asked alone, knows who leads each partition of these topics.
 * @throws what kafkajs throws, also for a topic that this broker does not know
 */
export async function knowsLeaders(
  settings: KafkaSettings,
  address: string,
  topics: readonly string[],
  log: Log,
): Promise<boolean> {
  const { cluster, destroy } = openCluster(settings, [address], log)
  try {
    await cluster.connect()
    for (const topic of topics) await cluster.addTargetTopic(topic)
    return topics.every((topic) => {
      const partitions = cluster.findTopicPartitionMetadata(topic)
      return partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)
    })
  } finally {
    destroy()
  }
}

/** The configured brokers. Each attempt begins with another one. */
export function brokersInTurn({ brokers }: KafkaSettings, attempt: number): readonly string[] {
  const first = attempt % brokers.length
  return [...brokers.slice(first), ...brokers.slice(0, first)]
}

/** Own connections to the broker that leads a partition. */
export interface LeaderConnection {
  readonly broker: Broker
  /** The topic's id when the connection was made; undefined: its broker knows no ids. */
  readonly topicId: Uint8Array | undefined
  /** Cuts every socket at once; requests under way reject. */
  readonly destroy: () => void
}

/**
 * Finds the leader of a partition and connects to it, without retries. After any failure on the connection, destroy it and
 * connect again.
 * @param attempt counts attempts: each begins with another of the configured brokers
 * @param onLeader called with the leader's node as soon as it is known
 */
export async function connectToLeader(
  settings: KafkaSettings,
  topic: string,
  partition: number,
  log: Log,
  attempt: number,
  onLeader: (nodeId: string) => void = () => undefined,
): Promise<LeaderConnection> {
  const { cluster, destroy } = openCluster(settings, brokersInTurn(settings, attempt), log)
  try {
    const leader = await leaderIn(cluster, topic, partition)
    onLeader(leader)
    const broker = brokerOver(await cluster.findBroker({ nodeId: leader }))
    return { broker, topicId: await broker.topicId(topic), destroy }
  } catch (error) {
    destroy()
    throw error
  }
}

/**
 * The node that leads a partition, over a new connection.
 * @param attempt as of `connectToLeader`
 */
export async function askForLeader(
  settings: KafkaSettings,
  topic: string,
  partition: number,
  attempt: number,
): Promise<string> {
  const { cluster, destroy } = openCluster(
    settings,
    brokersInTurn(settings, attempt),
    () => undefined,
    CONNECT_MS_MAX,
  )
  try {
    return await leaderIn(cluster, topic, partition)
  } finally {
    destroy()
  }
}

async function leaderIn(cluster: Cluster, topic: string, partition: number): Promise<string> {
  await cluster.connect()
  await cluster.addTargetTopic(topic)
  const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0]
  if (leader === undefined) throw new PartitionMissingError(topic, partition)
  return leader
}

/** The topic exists, but has fewer partitions. */
export class PartitionMissingError extends Error {
  override name = 'PartitionMissingError'
  readonly type = 'UNKNOWN_TOPIC_OR_PARTITION'
  constructor(topic: string, partition: number) {
    super(`topic ${topic} has no partition ${partition}`)
  }
}

const CUT = 'cut from this side'

function openSocket({ host, port, ssl, onConnect }: kafkajs.ISocketFactoryArgs): net.Socket {
  const socket = ssl
    ? tls.connect({ host, port, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
    : net.connect({ host, port }, onConnect)
  socket.setKeepAlive(true, 60_000)
  socket.setNoDelay(true)
  return socket
}

function connectionOptions(settings: KafkaSettings) {
  const { clientId, tls: encryption, sasl } = settings
  return {
    clientId,
    reauthenticationThreshold: REAUTHENTICATE_BEFORE_MS,
    ...(encryption === undefined ? {} : { ssl: { ...encryption } }),
    ...(sasl === undefined ? {} : { sasl: { ...sasl } as kafkajs.SASLOptions }),
  }
}

function logOptions(log: Log) {
  // Under both names: a client and a bare logger each look for their own.
  return { level: LEVELS.WARN, logLevel: LEVELS.WARN, logCreator: logCreatorFor(log) }
}

/** Call before the first require of kafkajs: it captures the function at load. */
function replaceCrc(): void {
  const file = require.resolve('kafkajs/src/protocol/recordBatch/crc32C')
  require(file)
  require.cache[file]!.exports = (bytes: Buffer): number => crc32c(bytes)
}

/** Call before the first require of kafkajs. A request with `encodeWhole` writes its own bytes, header included. */
function replaceCreateRequest(): void {
  interface Encoder {
    writeInt16(value: number): Encoder
    writeInt32(value: number): Encoder
    writeString(value: string): Encoder
    readonly buffer: Buffer
  }
  interface Request {
    readonly clientId: string
    readonly correlationId: number
    readonly request: {
      readonly apiKey: number
      readonly apiVersion: number
      readonly encodeWhole?: (header: Buffer) => Buffer
    }
  }
  const KafkaEncoder = require('kafkajs/src/protocol/encoder') as new () => Encoder
  const file = require.resolve('kafkajs/src/protocol/request')
  const createRequest = require(file) as (request: Request) => Promise<{ readonly buffer: Buffer }>
  require.cache[file]!.exports = async (whole: Request): Promise<{ readonly buffer: Buffer }> => {
    const { clientId, correlationId, request } = whole
    if (request.encodeWhole === undefined) return createRequest(whole)
    const header = new KafkaEncoder()
      .writeInt16(request.apiKey)
      .writeInt16(request.apiVersion)
      .writeInt32(correlationId)
      .writeString(clientId)
    return { buffer: request.encodeWhole(header.buffer) }
  }
}

function stopIdleTimers(): void {
  interface RequestQueue {
    readonly pending: readonly unknown[]
    readonly throttledUntil: number
    scheduleCheckPendingRequests: (this: RequestQueue) => void
  }
  const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }
  const { scheduleCheckPendingRequests: schedule } = prototype
  prototype.scheduleCheckPendingRequests = function (): void {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this)
  }
}

function tellRefusals(): void {
  type Ask = (asked: object) => Promise<unknown>
  interface BrokerPool {
    withBroker: (this: BrokerPool, ask: Ask) => Promise<unknown>
  }
  const { prototype } = require('kafkajs/src/cluster/brokerPool') as { prototype: BrokerPool }
  const { withBroker } = prototype
  prototype.withBroker = async function (ask) {
    let refusal: Error | undefined
    const answer = await withBroker.call(this, async (broker) => {
      try {
        return await ask(broker)
      } catch (error) {
        if (error instanceof Error && isLasting(classifyError(error))) refusal = error
        throw error
      }
    })
    // Null: no broker named a coordinator.
    if (answer === null && refusal !== undefined) throw refusal
    return answer
  }
}

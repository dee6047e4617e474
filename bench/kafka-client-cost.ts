/**
 * What sending frames to Kafka and reading them back costs this process, in CPU: with requests written by kafkajs, with its
 * own CRC-32C or the native one, and with our own requests; plain and compressed (LZ4) before the client sees them. For
 * docs/decisions/0015-frames-on-kafka.md.
 *
 *   node bin/run.js bench/kafka-client-cost.ts --brokers HOST:PORT [--encoder own|kafkajs] [--crc js|native] [--megabytes N]
 */
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { compressSync, uncompressSync } from 'lz4-napi'
import { COMMAND_SLOT_BYTES, EVENT_ROW_BYTES, FRAME_HEADER_BYTES } from '../schemas/limits.ts'
import { createCore } from '../writer/core/core.ts'
import { CommandGenerator } from './generator.ts'
import { workloadOf } from './workloads.ts'

const ACCOUNTS = 100_000
const EVENTS = [8, 128, 1_024, 8_192]

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    brokers: { type: 'string' },
    encoder: { type: 'string', default: 'own' },
    crc: { type: 'string', default: 'native' },
    megabytes: { type: 'string', default: '64' },
  },
})
if (values.brokers === undefined) throw new Error('--brokers HOST:PORT is missing')
// Loaded before the client: then what is replaced comes too late.
if (values.crc === 'js') createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/v0')
const { connectToLeader, createKafka, createProducer } = await import('../eventlog/kafka/kafkajs/client.ts')
const { batchesIn, recordsIn } = await import('../eventlog/kafka/wire/record-batches.ts')
const { topicNames, RECORD_BATCH_BYTES_MAX } = await import('../eventlog/kafka/settings.ts')

const settings = {
  brokers: values.brokers.split(','),
  clientId: 'purser-bench',
  topicPrefix: `bench-${Date.now()}`,
}
const quiet = (): void => undefined
const { events: topic } = topicNames(settings)
const megabytes = Number(values.megabytes)

/** Payloads of real event rows, `events` each. */
function makeFrames(events: number, bytes: number): Buffer[] {
  const generator = new CommandGenerator(workloadOf('spread'), { accounts: ACCOUNTS, seed: 7 })
  const core = createCore({ partition: 0, accountsInitial: ACCOUNTS })
  const slots = new Uint8Array(8_192 * COMMAND_SLOT_BYTES)
  const out = new Uint8Array(8_192 * 2 * EVENT_ROW_BYTES)
  const nowMs = 1_700_000_000_000
  for (let first = 1; first <= ACCOUNTS; first += 8_000) {
    const count = Math.min(8_000, ACCOUNTS - first + 1)
    generator.fillOpenings(slots, first, count, nowMs)
    core.decide(slots, count, BigInt(nowMs) * 1_000_000n, out, 0, out.length)
  }
  const frames: Buffer[] = []
  for (let made = 0, turn = 0; made < bytes; turn++) {
    generator.fill(slots, events, nowMs + turn)
    const done = core.decide(slots, events, BigInt(nowMs + turn) * 1_000_000n, out, 0, out.length)
    frames.push(Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES, turn), out.subarray(0, done.bytes)]))
    made += done.bytes
  }
  return frames
}

const admin = createKafka(settings, quiet).admin()
await admin.connect()
await admin.createTopics({
  waitForLeaders: true,
  topics: [
    {
      topic,
      numPartitions: EVENTS.length * 2,
      configEntries: [{ name: 'max.message.bytes', value: String(RECORD_BATCH_BYTES_MAX) }],
    },
  ],
})
await admin.disconnect()

// kafkajs's own way; without --encoder kafkajs, --crc says nothing about sending.
const producer = values.encoder === 'kafkajs' ? createProducer(createKafka(settings, quiet)) : undefined
await producer?.connect()
const rows: Record<string, string | number>[] = []
for (const [index, events] of EVENTS.entries())
  for (const isCompressed of [false, true]) {
    const partition = index * 2 + Number(isCompressed)
    const frames = makeFrames(events, (events < 100 ? megabytes / 8 : megabytes) * 1e6)
    const rawBytes = frames.reduce((sum, frame) => sum + frame.length, 0)
    const { broker, destroy } = await connectToLeader(settings, topic, partition, quiet, 0)
    let sentBytes = 0
    const send = async (frame: Buffer): Promise<void> => {
      const value = isCompressed ? compressSync(frame) : frame
      sentBytes += value.length
      if (producer === undefined)
        await broker.produce({ topic, partition, acks: -1, timeoutMs: 10_000, values: [value] })
      else await producer.send({ topic, acks: -1, messages: [{ value, partition }] })
    }
    const warmUp = frames.slice(0, Math.ceil(frames.length / 4))
    for (const frame of warmUp) await send(frame)
    sentBytes = 0
    const sending = clock()
    for (const frame of frames) await send(frame)
    const sent = sending()
    const reading = clock()
    const end = BigInt(warmUp.length + frames.length)
    for (let offset = 0n; offset < end;) {
      const answer = await broker.fetch({ topic, partition, offset, waitMs: 100, bytesMax: 4 << 20 })
      for (const batch of batchesIn(answer, offset).batches)
        for (const { value } of recordsIn(batch, offset, batch.end)) {
          if (isCompressed) uncompressSync(value)
          offset++
        }
    }
    const read = reading()
    const readMegabytes = (rawBytes / 1e6) * (1 + warmUp.length / frames.length)
    rows.push({
      events,
      'bytes/frame': Math.round(rawBytes / frames.length),
      as: isCompressed ? 'lz4' : 'plain',
      'size, % of raw': Math.round((100 * sentBytes) / rawBytes),
      'send, CPU ms/MB': round(sent.cpuMs / (rawBytes / 1e6)),
      'send, MB/s': round(rawBytes / 1e3 / sent.wallMs),
      'read, CPU ms/MB': round(read.cpuMs / readMegabytes),
      'read, MB/s': round((readMegabytes * 1e3) / read.wallMs),
    })
    destroy()
  }
process.stdout.write(`encoder: ${values.encoder}, crc: ${values.crc}\n`)
// eslint-disable-next-line no-console
console.table(rows)
process.exit(0)

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function clock(): () => { cpuMs: number; wallMs: number } {
  const before = process.cpuUsage()
  const startedMs = performance.now()
  return () => {
    const { user, system } = process.cpuUsage(before)
    return { cpuMs: (user + system) / 1000, wallMs: performance.now() - startedMs }
  }
}

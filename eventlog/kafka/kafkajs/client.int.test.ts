import { createRequire } from 'node:module'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { withKafka } from '../../../test/support/kafka.ts'
import { connectToLeader, createKafka, createProducer } from './client.ts'
import { createLogCreator, logCreatorFor } from './log-lines.ts'
import { topicNames } from '../settings.ts'

const require = createRequire(import.meta.url)

await withKafka('the Kafka client', (kafka) => {
  describe('the client', () => {
    it('an idle connection costs next to nothing', async () => {
      const settings = await kafka.deployment()
      const connections = await Promise.all(
        [0, 1, 2, 3].map((attempt) =>
          connectToLeader(settings, topicNames(settings).events, 0, () => undefined, attempt),
        ),
      )
      await new Promise((resolve) => setTimeout(resolve, 300))
      const armed = vi.spyOn(globalThis, 'setTimeout')
      await new Promise((resolve) => setTimeout(resolve, 500))
      const timers = armed.mock.calls.length
      armed.mockRestore()
      for (const connection of connections) connection.destroy()
      // Unpatched: one a millisecond for each connection.
      expect(timers).toBeLessThan(20)
    })

    it('a cut connection rejects what is under way at once', async () => {
      const settings = await kafka.deployment()
      const { events } = topicNames(settings)
      const connection = await connectToLeader(settings, events, 0, () => undefined, 0)
      const waiting = connection.broker.fetch({
        topic: events,
        partition: 0,
        offset: 0n,
        waitMs: 30_000,
        bytesMax: 1000,
      })
      const startedMs = performance.now()
      setTimeout(() => {
        connection.destroy()
      }, 50)
      await expect(waiting).rejects.toThrow(/cut from this side/)
      expect(performance.now() - startedMs).toBeLessThan(5_000)
    })

    it('a producer does not warn of its partitioner, and what it sends passes the broker’s checksum', async () => {
      const settings = await kafka.deployment()
      const { commands } = topicNames(settings)
      const lines: string[] = []
      const producer = createProducer(createKafka(settings, (line) => lines.push(line)))
      await producer.connect()
      const messages = [1, 1_000, 100_000].map((bytes) => ({ value: randomBytes(bytes), partition: 0 }))
      const [stored] = await producer.send({ topic: commands, acks: -1, messages })
      await producer.disconnect()
      expect(stored).toMatchObject({ partition: 0, baseOffset: '0', errorCode: 0 })
      expect(lines).toEqual([])
    })
  })
})

describe('what is changed in kafkajs', () => {
  it('the native CRC-32C, which is its own for every length', () => {
    const file = require.resolve('kafkajs/src/protocol/recordBatch/crc32C/crc32C')
    const own = require(file) as (bytes: Buffer) => number
    const native = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number
    expect(native).not.toBe(own)
    for (let bytes = 0; bytes < 300; bytes++) {
      const text = randomBytes(bytes)
      expect(native(text)).toBe(own(text) >>> 0)
    }
    expect(native(Buffer.from('123456789'))).toBe(0xe3069283)
  })

  it('the version that it was written for', () => {
    const { version } = JSON.parse(readFileSync(require.resolve('kafkajs/package.json'), 'utf8')) as {
      version: string
    }
    expect(version).toBe('2.2.4')
  })

  it('what it says: lines that an operator can act on, once in a while', () => {
    const lines: string[] = []
    let nowMs = 0
    const write = createLogCreator(
      (line) => lines.push(line),
      () => nowMs,
    )(1)
    const say = (message: string): void => {
      write({
        namespace: 'Connection',
        level: 1,
        label: 'ERROR',
        log: { timestamp: '', message, broker: 'a:1' },
      })
    }
    say('The group coordinator is not available')
    say('Connection error: connect ECONNREFUSED 127.0.0.1:1')
    say('Connection error: connect ECONNREFUSED 127.0.0.1:1')
    nowMs = 31_000
    say('Connection error: connect ECONNREFUSED 127.0.0.1:1')
    expect(lines).toEqual(
      Array.from({ length: 2 }, () => 'kafka: Connection error: connect ECONNREFUSED 127.0.0.1:1 (a:1)'),
    )
  })

  it('what it says to one operator, however many connections say it, comes once', () => {
    const lines: string[] = []
    const log = (line: string): void => void lines.push(line)
    for (let connection = 0; connection < 3; connection++)
      logCreatorFor(log)(1)({
        namespace: 'Connection',
        level: 1,
        label: 'ERROR',
        log: { timestamp: '', message: 'Connection error: connect ECONNREFUSED 127.0.0.1:1' },
      })
    expect(lines).toHaveLength(1)
  })
})

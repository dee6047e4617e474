/**
 * kafkajs may end a consumer without a word. No broker gives that fault on demand, and `stop` does not always end its loop:
 * so from a moment on the member does not hear what the consumer that it has by then has to say.
 */
import type { InstrumentationEvent } from 'kafkajs'
import { expect, it, vi } from 'vitest'
import { withKafka } from '../../../test/support/kafka.ts'
import type * as ClientModule from '../kafkajs/client.ts'
import { joinGroup } from './membership.ts'
import { topicNames } from '../settings.ts'

const state = vi.hoisted(() => ({ consumers: 0, silent: 0 }))

vi.mock('../kafkajs/client.ts', async (importOriginal) => {
  const client = await importOriginal<typeof ClientModule>()
  const createKafka: typeof client.createKafka = (settings, log) => {
    const kafka = client.createKafka(settings, log)
    const create = kafka.consumer.bind(kafka)
    vi.spyOn(kafka, 'consumer').mockImplementation((options) => {
      const consumer = create(options)
      const number = state.consumers++
      const listen = consumer.on.bind(consumer)
      vi.spyOn(consumer, 'on').mockImplementation((name, listener) =>
        listen(name, (event: InstrumentationEvent<unknown>) => {
          if (number >= state.silent) listener(event)
        }),
      )
      return consumer
    })
    return kafka
  }
  return { ...client, createKafka }
})

const PARTITIONS = 3
/** The shortest that brokers allow. */
const SESSION_MS = 6_000
const JOINED_AGAIN_MS_MAX = 50_000

await withKafka('a consumer that ends without a word', (kafka) => {
  it('is replaced, and its member holds its partitions again', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const told: number[] = []
    const failures: Error[] = []
    const lines: string[] = []
    const membership = await joinGroup(settings, {
      groupId: 'silence',
      topic: topicNames(settings).commands,
      sessionTimeoutMs: SESSION_MS,
      onAssigned: (partitions) => told.push(partitions.size),
      onFailure: (error) => failures.push(error),
      log: (line) => lines.push(line),
    })
    try {
      await membership.confirmed()
      const toldBefore = told.length
      state.silent = state.consumers
      const lastTold = (): number | undefined => told.slice(toldBefore).at(-1)
      await expect.poll(lastTold, { timeout: JOINED_AGAIN_MS_MAX }).toBe(PARTITIONS)
      expect([...membership.partitions()]).toHaveLength(PARTITIONS)
      expect(state.consumers).toBeGreaterThan(state.silent)
      expect(lines.join('\n')).toContain('it gives no sign of life')
      expect(failures).toEqual([])
    } finally {
      await membership.leave()
    }
  })
})

/** One session of `kafka`: a writer and a client in processes of their own, with a broker between them. */
import type { KafkaSettings } from '../eventlog/kafka/settings.ts'
import { Child } from './child.ts'
import type { BenchBroker } from './kafka-broker.ts'
import type { KafkaClientDialogue, KafkaLoadResult } from './kafka-client.ts'
import type { KafkaShape } from './kafka-shapes.ts'
import type { WriterDialogue } from './kafka-writer.ts'
import { LoadSeries, type LoadSizes } from './load-series.ts'
import { cpuBetween, type RoleCpu } from './role-cpu.ts'
import { SerialSet } from './serial-set.ts'

export interface KafkaMeasured {
  readonly shape: KafkaShape
  readonly result: KafkaLoadResult
  /** By process, and the writer's by thread: `client`, `broker`, `main`, `core`, … */
  readonly cpuSeconds: RoleCpu
  readonly rssBytes: number
}

export class KafkaSession {
  readonly loads: LoadSeries
  readonly #broker: BenchBroker
  readonly #sizes: LoadSizes
  readonly #writer = new Child<WriterDialogue>(new URL('./kafka-writer.ts', import.meta.url))
  readonly #client = new Child<KafkaClientDialogue>(new URL('./kafka-client.ts', import.meta.url))

  constructor(broker: BenchBroker, sizes: LoadSizes) {
    this.#broker = broker
    this.#sizes = sizes
    this.loads = new LoadSeries(sizes)
  }

  /** Starts the writer and opens the accounts. */
  async open(settings: KafkaSettings, folder: string): Promise<void> {
    const { accounts } = this.#sizes
    await this.#writer.ask('start', { settings, folder, accounts })
    await this.#client.ask('open', { ...this.#sizes, settings })
  }

  /** @param messagesPerSecond undefined: as many as there are answers */
  async measure(
    shape: KafkaShape,
    workload: string,
    messagesPerSecond: number | undefined,
  ): Promise<KafkaMeasured> {
    await this.#send(shape, workload, true, messagesPerSecond)
    const before = await this.#writer.ask('usage', {})
    const brokerBefore = this.#broker.cpuSeconds()
    const result = await this.#send(shape, workload, false, messagesPerSecond)
    const brokerAfter = this.#broker.cpuSeconds()
    const after = await this.#writer.ask('usage', {})
    return {
      shape,
      result,
      cpuSeconds: {
        ...cpuBetween(before.cpuSeconds, after.cpuSeconds),
        client: result.cpuSeconds,
        ...(brokerBefore === undefined || brokerAfter === undefined
          ? {}
          : { broker: brokerAfter - brokerBefore }),
      },
      rssBytes: after.rssBytes,
    }
  }

  /** Stops the writer in order. Answers with the serials of all commands that the client was told are durable. */
  async stop(): Promise<SerialSet> {
    const acknowledged = new SerialSet()
    acknowledged.addAll(await this.#client.ask('acknowledged', {}))
    await this.#writer.ask('stop', {})
    return acknowledged
  }

  async end(): Promise<void> {
    await Promise.all([this.#client.kill(), this.#writer.kill()])
  }

  async #send(
    shape: KafkaShape,
    workload: string,
    isWarmUp: boolean,
    messagesPerSecond: number | undefined,
  ): Promise<KafkaLoadResult> {
    const load = this.loads.next(shape, workload, isWarmUp, messagesPerSecond)
    return this.loads.counted(await this.#client.ask('load', load))
  }
}

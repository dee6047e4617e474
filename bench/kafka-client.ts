/**
 * The client of `kafka`, a process of its own: it has commands stored and learns their outcomes from the events, as a gateway
 * does, without a socket of its own.
 */
import { openKafkaCommandQueue } from '../eventlog/kafka/commands/command-queue.ts'
import { openKafkaEventLog, type KafkaEventLog } from '../eventlog/kafka/events/kafka-event-log.ts'
import type { KafkaSettings } from '../eventlog/kafka/settings.ts'
import type { CommandQueue } from '../eventlog/ports.ts'
import { answerParent } from './child.ts'
import { fillLog } from './filler.ts'
import { CommandGenerator } from './generator.ts'
import { queueLane } from './lanes.ts'
import type { LoadSizes } from './load-series.ts'
import { sendLoad, type Load, type LoadResult } from './load.ts'
import { SerialSet } from './serial-set.ts'
import { WORKLOADS } from './workloads.ts'

const PARTITION = 0

export interface OpenAsk extends LoadSizes {
  readonly settings: KafkaSettings
}

export interface KafkaLoadResult extends LoadResult {
  readonly cpuSeconds: number
  /** Offsets on the events topic: of the first record that is this load's, and behind the last. */
  readonly firstRecord: bigint
  readonly endRecord: bigint
}

export type KafkaClientDialogue = {
  /** Opens the accounts. */
  readonly open: { readonly ask: OpenAsk; readonly answer: undefined }
  readonly load: { readonly ask: Load; readonly answer: KafkaLoadResult }
  /** The serials of all commands that were acknowledged. */
  readonly acknowledged: { readonly ask: object; readonly answer: Uint8Array }
}

class Client {
  readonly #acknowledged = new SerialSet()
  #writer: { readonly queue: CommandQueue; readonly log: KafkaEventLog } | undefined
  #endRecord = 0n

  async open(ask: OpenAsk): Promise<undefined> {
    const options = {
      settings: ask.settings,
      partition: PARTITION,
      log: (line: string) => void process.stderr.write(`${line}\n`),
    }
    const queue = openKafkaCommandQueue(options)
    const log = await openKafkaEventLog(options)
    log.observe((_frame, place) => {
      queue.consumed({ commandsTopic: 0, ...log.head() })
      this.#endRecord = place + 1n
    })
    this.#writer = { queue, log }
    await fillLog(this.#writer, new CommandGenerator(WORKLOADS[0]!, ask), ask.accounts, 0)
    return undefined
  }

  async load(load: Load): Promise<KafkaLoadResult> {
    const lane = queueLane(this.#writer!)
    try {
      const firstRecord = this.#endRecord
      const before = process.cpuUsage()
      const result = await sendLoad([lane], load, this.#acknowledged)
      const { user, system } = process.cpuUsage(before)
      return { ...result, cpuSeconds: (user + system) / 1e6, firstRecord, endRecord: this.#endRecord }
    } finally {
      await lane.close()
    }
  }

  serials(): Uint8Array {
    return this.#acknowledged.toBytes()
  }
}

const client = new Client()
answerParent<KafkaClientDialogue>({
  open: (ask) => client.open(ask),
  load: (load) => client.load(load),
  acknowledged: () => client.serials(),
})

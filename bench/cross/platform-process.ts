/**
 * The platform of `cross`, a process of its own: a writer and a coordinator for each partition, wired as
 * platform/embedded-platform.ts does, without engine, projections and doors. Loads are made in this process.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { acquireFolder } from '../../eventlog/file/lock.ts'
import { frameBytesOf } from '../../eventlog/frame-budget.ts'
import { SLOT, SLOT_WORDS, type Coordination } from '../../schemas/commands.ts'
import { claimSlots, homesAway, idsAt } from '../../gateway/submit/claims.ts'
import { ID_WORDS } from '../../schemas/frame-rows.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { Coordinator } from '../../writer/coordinator/coordinator.ts'
import { startCoordinators } from '../../writer/coordinator/embedded-coordinators.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../../writer/embedded.ts'
import { answerParent } from '../child.ts'
import { CommandGenerator } from '../generator.ts'
import { Histogram } from '../histogram.ts'
import { processStatusBytes } from '../machine.ts'
import { cpuBetween, RoleClock, type RoleCpu } from '../role-cpu.ts'
import { SerialSet } from '../serial-set.ts'
import { WORKLOADS } from '../workloads.ts'
import { claimsIn, endsIn } from './ends.ts'
import { SpreadAccounts, TransferMaker } from './transfers.ts'

export interface OpenAsk {
  readonly dataDir: string
  readonly partitions: number
  readonly accounts: number
  readonly seed: number
}

export interface CrossLoad {
  readonly acrossShare: number
  readonly coordination: Coordination
  /** True: ids come from anywhere, and are claimed as doors do it. False: they live where their transfers are decided. */
  readonly isClaimed: boolean
  readonly seed: number
  readonly firstSerial: number
  /** Transfers in a message. */
  readonly batch: number
  /** Messages under way for each partition. */
  readonly inFlight: number
  readonly seconds: number
}

export interface CrossResult {
  readonly transfers: number
  readonly across: number
  readonly refused: number
  readonly messages: number
  readonly wallSeconds: number
  readonly buckets: Float64Array
  readonly maxMs: number
  readonly cpuSeconds: RoleCpu
  /** Of all logs. */
  readonly frames: number
  readonly events: number
  readonly bytes: number
  readonly stepsSent: number
  readonly stepsReminded: number
  readonly stepsDropped: number
  readonly rssBytesBefore: number
  readonly rssBytes: number
}

export type CrossDialogue = {
  readonly open: { readonly ask: OpenAsk; readonly answer: void }
  readonly load: { readonly ask: CrossLoad; readonly answer: CrossResult }
  /** Stops in order. Answers with the serials of all transfers that ended. */
  readonly stop: { readonly ask: object; readonly answer: Uint8Array }
}

/** What all has to come of something that was sent. */
interface UnderWay {
  left: number
  readonly done: () => void
}

class CrossPlatform {
  readonly #clock = new RoleClock()
  readonly #ended = new SerialSet()
  /** By serial number over the batch: messages have whole batches of them. */
  readonly #underWay = new Map<number, UnderWay>()
  readonly #over = new AbortController()
  /** By partition: claims that were sent there, in their order. */
  #claims: UnderWay[][] = []
  #batch = 1
  #frames = 0
  #events = 0
  #bytes = 0
  #refused = 0
  #following: Promise<unknown> = Promise.resolve()
  #writers: readonly EmbeddedWriter[] = []
  #coordinators: readonly Coordinator[] = []
  #accounts: SpreadAccounts | undefined

  async open({ dataDir, partitions, accounts, seed }: OpenAsk): Promise<void> {
    const lock = acquireFolder(dataDir)
    process.once('exit', () => lock.release())
    const fail = (reason: string): void => {
      process.stderr.write(`${reason}\n`)
      process.exit(1)
    }
    const starting = Array.from({ length: partitions }, (_, partition) =>
      startEmbeddedWriter({
        dataDir,
        partition,
        windowBytesMax: frameBytesOf(partitions),
        core: { partitions, accountsInitial: Math.ceil(accounts / partitions) + 1_000 },
      }),
    )
    this.#writers = await Promise.all(starting)
    this.#claims = this.#writers.map(() => [])
    for (const writer of this.#writers) writer.onFailure(fail)
    this.#coordinators = startCoordinators(this.#writers, ({ message }) => fail(message))
    this.#accounts = new SpreadAccounts(accounts, partitions)
    await Promise.all(this.#writers.map((writer) => this.#openAccounts(writer, accounts, seed)))
    this.#following = Promise.all(this.#writers.map((writer) => this.#follow(writer)))
    this.#following.catch((error: Error) => fail(error.message))
  }

  async load(load: CrossLoad): Promise<CrossResult> {
    this.#batch = load.batch
    const histogram = new Histogram()
    const maker = new TransferMaker(this.#accounts!, load.seed, load.acrossShare, load.coordination)
    const [frames, events, bytes, refused] = [this.#frames, this.#events, this.#bytes, this.#refused]
    const steps = this.#steps()
    const rssBytesBefore = processStatusBytes('VmRSS')
    const cpuBefore = this.#clock.now()
    const startMs = performance.now()
    const endMs = startMs + load.seconds * 1_000
    let messages = 0
    let across = 0
    const keepSending = async ({ queue }: EmbeddedWriter): Promise<void> => {
      const slots = new Uint8Array(load.batch * COMMAND_SLOT_BYTES)
      const words = new Int32Array(slots.buffer)
      for (let fromMs = startMs; fromMs < endMs; fromMs = performance.now()) {
        const firstSerial = load.firstSerial + messages++ * load.batch
        across += maker.fill(words, load.batch, queue.partition, firstSerial, Date.now())
        const sinceMs = performance.now()
        if (load.isClaimed) await this.#claim(words, load.batch, queue.partition)
        await this.#send(queue, slots, load.batch, firstSerial)
        histogram.record(performance.now() - sinceMs)
      }
    }
    await Promise.all(
      this.#writers.flatMap((writer) => Array.from({ length: load.inFlight }, () => keepSending(writer))),
    )
    const after = this.#steps()
    return {
      transfers: messages * load.batch,
      across,
      refused: this.#refused - refused,
      messages,
      wallSeconds: (performance.now() - startMs) / 1_000,
      buckets: histogram.buckets(),
      maxMs: histogram.max(),
      cpuSeconds: cpuBetween(cpuBefore, this.#clock.now()),
      frames: this.#frames - frames,
      events: this.#events - events,
      bytes: this.#bytes - bytes,
      stepsSent: after.sent - steps.sent,
      stepsReminded: after.reminded - steps.reminded,
      stepsDropped: after.dropped - steps.dropped,
      rssBytesBefore,
      rssBytes: processStatusBytes('VmRSS'),
    }
  }

  async stop(): Promise<Uint8Array> {
    await Promise.all(this.#coordinators.map((coordinator) => coordinator.stop()))
    await Promise.all(this.#writers.map((writer) => writer.stop()))
    this.#over.abort()
    await this.#following
    return this.#ended.toBytes()
  }

  async #openAccounts(writer: EmbeddedWriter, accounts: number, seed: number): Promise<void> {
    const generator = new CommandGenerator(WORKLOADS[0]!, { accounts, seed, unlimited: false })
    const numbers = this.#accounts!.numbers[writer.queue.partition]!
    const slots = new Uint8Array(BATCH_COMMANDS_MAX * COMMAND_SLOT_BYTES)
    for (let from = 0; from < numbers.length; from += BATCH_COMMANDS_MAX) {
      const some = numbers.slice(from, from + BATCH_COMMANDS_MAX)
      some.forEach((number, index) =>
        generator.fillOpenings(slots.subarray(index * COMMAND_SLOT_BYTES), number, 1, Date.now()),
      )
      await offerWhenFree(writer.queue, slots.subarray(0, some.length * COMMAND_SLOT_BYTES), some.length)
    }
    while (writer.queue.waiting() > 0) await delay(1)
  }

  /** Offers one message, and waits until all its transfers have ended. */
  async #send(
    queue: EmbeddedWriter['queue'],
    slots: Uint8Array,
    count: number,
    firstSerial: number,
  ): Promise<void> {
    let done = (): void => undefined
    const ended = new Promise<void>((resolve) => (done = resolve))
    this.#underWay.set(firstSerial / count, { left: count, done })
    await offerWhenFree(queue, slots, count)
    await ended
  }

  /** Claims the ids of a message at their homes, and waits until that is durable. */
  async #claim(words: Int32Array, count: number, partition: number): Promise<void> {
    const ids = new Int32Array(count * ID_WORDS)
    for (let index = 0; index < count; index++) {
      const id = index * SLOT_WORDS * 2 + SLOT.idHigh * 2
      for (let word = 0; word < ID_WORDS; word++) ids[index * ID_WORDS + word] = words[id + word]!
    }
    const homes = homesAway(ids, count, partition, this.#writers.length)
    await Promise.all([...homes].map(([home, indexes]) => this.#claimAt(home, ids, indexes, partition)))
  }

  async #claimAt(
    home: number,
    ids: Int32Array,
    indexes: readonly number[],
    partition: number,
  ): Promise<void> {
    const slots = claimSlots(idsAt(ids, indexes), partition, BigInt(Date.now()) * NS_PER_MS)
    const granted = new Promise<void>((done) => this.#claims[home]!.push({ left: indexes.length, done }))
    await offerWhenFree(this.#writers[home]!.queue, slots, indexes.length)
    await granted
  }

  #onClaims(partition: number, count: number): void {
    const waiting = this.#claims[partition]!
    for (let left = count; left > 0;) {
      const first = waiting[0]!
      const some = Math.min(left, first.left)
      first.left -= some
      left -= some
      if (first.left > 0) continue
      waiting.shift()
      first.done()
    }
  }

  async #follow({ log }: EmbeddedWriter): Promise<void> {
    for await (const frame of log.tail(log.head().sequence + 1n, this.#over.signal)) {
      if (frame.count === 0) continue
      this.#frames += 1
      this.#events += frame.count
      this.#bytes += frame.bytes.length
      this.#onClaims(frame.partition, claimsIn(frame))
      endsIn(frame, (serial, isRefused) => this.#onEnd(serial, isRefused))
    }
  }

  #onEnd(serial: number, isRefused: boolean): void {
    if (!this.#ended.add(serial)) throw new Error(`transfer ${serial} has ended twice`)
    if (isRefused) this.#refused += 1
    const message = Math.floor(serial / this.#batch)
    const underWay = this.#underWay.get(message)!
    underWay.left -= 1
    if (underWay.left > 0) return
    this.#underWay.delete(message)
    underWay.done()
  }

  #steps(): { readonly sent: number; readonly reminded: number; readonly dropped: number } {
    const all = this.#coordinators.map((coordinator) => coordinator.status())
    return {
      sent: all.reduce((sum, { stepsSent }) => sum + stepsSent, 0),
      reminded: all.reduce((sum, { stepsReminded }) => sum + stepsReminded, 0),
      dropped: all.reduce((sum, { stepsDropped }) => sum + stepsDropped, 0),
    }
  }
}

async function offerWhenFree(
  queue: EmbeddedWriter['queue'],
  slots: Uint8Array,
  count: number,
): Promise<void> {
  for (;;) {
    const { kind } = queue.offer(slots, count, () => undefined)
    if (kind === 'taken') return
    if (kind === 'stopped') throw new Error('a writer has stopped')
    await delay(1)
  }
}

const platform = new CrossPlatform()
answerParent<CrossDialogue>({
  open: (ask) => platform.open(ask),
  load: (load) => platform.load(load),
  stop: () => platform.stop(),
})

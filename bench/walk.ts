/**
 * `walk`: what each step of a transfer's road costs, one thread, full batches: the figures beside the steps of
 * docs/architecture.md. Each step is the product's own code, handed what the step before it made.
 */
import { Worker } from 'node:worker_threads'
import { nodeDisk } from '../eventlog/disk/disk.ts'
import { FileEventLog } from '../eventlog/file/file-event-log.ts'
import { openLog } from '../eventlog/file/recovery/open-log.ts'
import { FrameMemory, FrameViews, createFrameMemoryShare } from '../eventlog/handoff/frame-memory.ts'
import { frameOver, sealFromSlab } from '../eventlog/handoff/seal.ts'
import { createSlabShare, openSlabPool } from '../eventlog/handoff/slabs.ts'
import { createMemoryQueue } from '../eventlog/queue/memory-queue.ts'
import { toCommand, type CommandContext } from '../gateway/commands/commands.ts'
import { BoundedQueue } from '../gateway/live/streams.ts'
import { Hub } from '../gateway/live/hub.ts'
import { PendingCommands } from '../gateway/outcomes/pending.ts'
import type { Views } from '../gateway/read/views.ts'
import { CommandBatch } from '../gateway/submit/command-batch.ts'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { decodeEvent, EVENT_SCHEMA_VERSION } from '../schemas/events.ts'
import { FrameRows } from '../schemas/frame-rows.ts'
import type { Frame } from '../schemas/frames.ts'
import { makeUuidV7, type Id } from '../schemas/ids.ts'
import { BATCH_COMMANDS_MAX } from '../schemas/limits.ts'
import { createCore, type DecideResult } from '../writer/core/core.ts'
import type { Benchmark } from './benchmark.ts'
import { inNewFolder } from './data-folder.ts'
import { Histogram } from './histogram.ts'
import { describeMachine } from './machine.ts'
import type { BenchOptions } from './options.ts'
import { Random } from './random.ts'
import { atMost, reportOf, verified, type Run } from './report.ts'
import { threadClock } from './thread-cpu.ts'

const PARTITION = 0
const ACCOUNTS_DEFAULT = 10_000
/** Batches until the code is compiled. */
const WARM_UP_BATCHES = 20
/** Steps that wait for more than the processor: the wall time of the quickest batch counts, since waiting depends on who else runs. */
const BY_WALL = new Set(['append', 'thread'])
const STEPS = ['decide', 'input', 'batch', 'offer', 'thread', 'seal', 'append', 'deliver', 'outcome', 'hub', 'entry'] as const // prettier-ignore
type Step = (typeof STEPS)[number]

export const walkBenchmark: Benchmark = {
  name: 'walk',
  measures: 'each step of a transfer’s road from the mutation to the subscriber, one thread, full batches',
  takes: 'about 30 s',
  run: (options, say) =>
    inNewFolder(options, async (folder) => {
      const machine = describeMachine()
      say('walk')
      const walk = new Walk(options, folder)
      const runs = await walk.run()
      const microseconds = runs.reduce((sum, { further }) => sum + further['nanoseconds']! / 1_000, 0)
      return reportOf('walk', machine, runs, [atMost('all steps, microseconds a transfer', microseconds, 60)])
    }),
}

class Walk {
  private readonly options: BenchOptions
  private readonly accounts: number
  private readonly batch: number
  private readonly batches: number
  private readonly cpuNs = threadClock()
  private readonly spentNs = new Map<Step, number>(STEPS.map((step) => [step, 0]))
  private readonly leastNs = new Map<Step, number>(STEPS.map((step) => [step, Infinity]))
  private readonly latencies = new Map<Step, Histogram>(STEPS.map((step) => [step, new Histogram()]))
  private readonly random: Random
  private readonly core = createCore({ partition: PARTITION })
  private readonly pool = openSlabPool(createSlabShare(2))
  private readonly memory: FrameMemory
  private readonly views: FrameViews
  private readonly appender: ReturnType<typeof openLog>['appender']
  private readonly log: FileEventLog
  private readonly pending = new PendingCommands()
  private readonly hub = new Hub()
  private readonly queue: ReturnType<typeof createMemoryQueue>
  private readonly echo = new Worker(
    'const { parentPort } = require("node:worker_threads"); parentPort.on("message", (said) => parentPort.postMessage(said))',
    { eval: true },
  )
  private slots: Uint8Array = new Uint8Array()
  private commands = 0n
  private accepted = 0
  private refused = 0
  private isTimed = false

  constructor(options: BenchOptions, folder: string) {
    const { quick } = options
    this.options = options
    this.accounts = options.accounts ?? (quick ? 100 : ACCOUNTS_DEFAULT)
    this.batch = options.batch ?? (quick ? 128 : BATCH_COMMANDS_MAX)
    this.batches = quick ? 2 : 60
    this.random = new Random(options.seed)
    const share = createFrameMemoryShare()
    this.memory = new FrameMemory(share)
    this.views = new FrameViews(share)
    this.appender = openLog(nodeDisk, folder, { partition: PARTITION }).appender
    this.log = new FileEventLog({
      disk: nodeDisk,
      dir: folder,
      partition: PARTITION,
      head: this.appender.head(),
    })
    this.queue = createMemoryQueue({
      partition: PARTITION,
      nextOffset: 0n,
      core: { send: (slots) => void (this.slots = slots) },
      // The turn ends at once.
      soon: (task) => task(),
    })
    // One subscriber, as in most frames: whose account is seldom touched.
    this.hub.onAccount(PARTITION, 1, () => undefined)
  }

  async run(): Promise<readonly Run[]> {
    this.open()
    const warmUp = this.options.quick ? 1 : WARM_UP_BATCHES
    for (let done = 0; done < warmUp + this.batches; done++) {
      this.isTimed = done >= warmUp
      await this.once()
    }
    await this.echo.terminate()
    this.appender.close()
    this.log.close()
    return STEPS.map((step) => this.runOf(step))
  }

  /** Opens the accounts, without limits: every transfer happens. */
  private open(): void {
    for (let first = 1; first <= this.accounts; first += this.batch) {
      const count = Math.min(this.batch, this.accounts - first + 1)
      const openings = Array.from({ length: count }, (_, index): Command => ({
        kind: 'OpenAccount', id: this.newId(), debit: accountId(first + index), currency: 'EUR', scale: 2, system: true,
      })) // prettier-ignore
      this.frameOf(encodeCommands(openings), count)
    }
  }

  /** A batch of transfers, all the way. */
  private async once(): Promise<void> {
    const inputs = Array.from({ length: this.batch }, () => {
      const debit = 1 + this.random.below(this.accounts)
      const credit = (debit % this.accounts) + 1
      const [debitAccountId, creditAccountId] = [accountId(debit), accountId(credit)]
      return { id: this.newId(), debitAccountId, creditAccountId, amount: 5n, currency: 'EUR' }
    })
    const context: CommandContext = {
      currencies: new Map(),
      clock: nowNs,
      randomBits: () => new Uint8Array(10),
      partitions: 1,
    }
    const commands = this.time('input', () =>
      inputs.map((values) => toCommand('transfer', values, 'input', context)),
    )
    // No id is sent twice, so nobody asks the views.
    const batch = this.time(
      'batch',
      () => new CommandBatch(commands, { views: {} as Views, outcomeWaitMs: 0, partitions: 1 }),
    )
    this.time('offer', () => {
      const offer = this.pending.add(batch)
      this.queue.offer(batch.slots, batch.count, (offsets) => this.pending.stored(offer, offsets))
      this.queue.wanted()
    })
    await this.throughThreads()
    this.commands += BigInt(batch.count)
    const frame = this.frameOf(this.slots, batch.count)
    this.time('outcome', () => this.pending.onFrame(frame))
    this.time('hub', () => this.hub.onFrame(frame))
    this.queue.consumed(this.commands)
    for (const outcome of await batch.settled)
      if (outcome instanceof Error || outcome.refusal !== undefined) this.refused++
      else this.accepted++
    await this.subscriber(frame)
  }

  /** From slots to the durable frame that the main thread hands to its readers. */
  private frameOf(slots: Uint8Array, count: number): Frame {
    const slab = this.pool.claim()!
    const payload = this.pool.payload(slab)
    const done = this.time('decide', () => this.decide(slots, count, payload))
    const head = this.appender.head()
    const described = {
      kind: 'frame', slab, schemaVersion: EVENT_SCHEMA_VERSION, epoch: 1n, firstSequence: head.sequence + 1n,
      count: done.events, timeNs: this.core.recordedAtNs(), nextCommandOffset: this.commands, nextCommandIndex: 0,
      payloadBytes: done.bytes,
    } as const // prettier-ignore
    const take = (bytes: number): Uint8Array => this.memory.take(bytes)
    const { frame, unit } = this.time('seal', () =>
      sealFromSlab(this.pool, described, head, this.appender.durable().sequence, take),
    )
    this.time('append', () => {
      this.appender.append(frame, unit)
      this.appender.sync()
    })
    this.pool.release(slab)
    const bytesRef = this.memory.refOf(frame.bytes)
    const { bytes: _bytes, payload: _payload, hash: _hash, previousHash: _previous, ...header } = frame
    return this.time('deliver', () => {
      const delivered = frameOver(this.views.at(bytesRef), header)
      this.log.deliver(delivered)
      return delivered
    })
  }

  private decide(slots: Uint8Array, count: number, payload: Uint8Array): DecideResult {
    const done = this.core.decide(slots, count, nowNs(), payload, 0, payload.length)
    if (done.commands !== count) throw new Error(`only ${done.commands} of ${count} commands fitted a frame`)
    return done
  }

  /** Four messages pass from thread to thread on the way, each for a whole batch: there and back, and there and back. */
  private async throughThreads(): Promise<void> {
    const before = performance.now()
    for (let trips = 0; trips < 2; trips++)
      await new Promise((resolve) => {
        this.echo.once('message', resolve)
        this.echo.postMessage({ kind: 'commands', slots: this.slots, count: this.batch })
      })
    this.count('thread', (performance.now() - before) * 1e6)
  }

  /** As if every transfer were an entry that a subscriber waits for: copied, queued, taken, decoded. */
  private async subscriber(frame: Frame): Promise<void> {
    const queue = new BoundedQueue<Uint8Array>(this.batch)
    const rows = new FrameRows(frame)
    const before = this.cpuNs()
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) queue.push(rows.copy(byte))
    while (queue.size > 0) {
      const taken = await queue.take()
      if (taken.kind === 'item') decodeEvent(taken.item, 0)
    }
    this.count('entry', this.cpuNs() - before)
  }

  private time<T>(step: Step, work: () => T): T {
    const clock = BY_WALL.has(step) ? (): number => performance.now() * 1e6 : this.cpuNs
    const before = clock()
    const result = work()
    this.count(step, clock() - before)
    return result
  }

  private count(step: Step, ns: number): void {
    if (!this.isTimed) return
    this.spentNs.set(step, this.spentNs.get(step)! + ns)
    this.leastNs.set(step, Math.min(this.leastNs.get(step)!, ns))
    this.latencies.get(step)!.record(ns / 1e6)
  }

  private runOf(step: Step): Run {
    const commands = this.batch * this.batches
    const nanoseconds = (of: Step): number =>
      BY_WALL.has(of) ? this.leastNs.get(of)! / this.batch : Math.max(1, this.spentNs.get(of)!) / commands
    const own = nanoseconds(step)
    const { accepted, refused } = this
    return {
      workload: {
        name: step, accounts: this.accounts, batch: this.batch, commands, seed: this.options.seed,
        shareHot: 0, shareChecked: 0, shareRepeated: 0, shareRefused: refused / (accepted + refused),
      },
      throughput: 1e9 / own,
      unit: 'transfers/s',
      latencyMs: this.latencies.get(step)!.latency(),
      cpuSeconds: {},
      bytes: { written: 0, received: 0, sent: 0 },
      limit: { name: 'the step `decide` in the same run', value: 1e9 / nanoseconds('decide') },
      ratio: nanoseconds('decide') / own,
      memory: {},
      verified: verified({ sent: accepted + refused, accepted, refused, repeated: 0 }, this.core.trialBalance()),
      further: { nanoseconds: own },
    } // prettier-ignore
  }

  private newId(): Id {
    const bits = new Uint8Array(10)
    const words = new Uint32Array(2).map(() => this.random.next())
    bits.set(new Uint8Array(words.buffer), 2)
    return makeUuidV7(Date.now(), bits)
  }
}

function accountId(number: number): Id {
  return { high: 0x8000n, low: (1n << 63n) | BigInt(number) }
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}

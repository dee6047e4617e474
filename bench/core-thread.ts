/**
 * The thread in which the core is measured: as in production it is a worker, and each workload gets a new one, so that
 * none finds code that another has shaped. Only `decide` is timed; making the commands and counting the rows is not.
 */
import { setFlagsFromString, getHeapStatistics } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { COMMAND_SLOT_BYTES, EVENT_ROW_BYTES, FRAME_BYTES_MAX } from '../schemas/limits.ts'
import { EVENT_KINDS, ROW_BYTE } from '../schemas/events.ts'
import { createCore, type WalletCore } from '../writer/core/core.ts'
import { CommandGenerator, type Made } from './generator.ts'
import { Histogram } from './histogram.ts'
import { processStatusBytes } from './machine.ts'
import { threadClock } from './thread-cpu.ts'
import { workloadOf } from './workloads.ts'

export interface CoreThreadInput {
  /** Several: a batch of each in turn. */
  readonly workloads: readonly string[]
  readonly accounts: number
  readonly batch: number
  readonly seed: number
  readonly unlimited: boolean
  /** Commands decided before the timed part, so that the code is compiled. */
  readonly warmUpCommands: number
  /** The timed part ends when both are reached. */
  readonly seconds: number
  readonly commandsMin: number
}

/** Commands at two moments, and what they cost there. */
export interface Moment {
  /** Commands decided before. */
  readonly commands: number
  /** CPU nanoseconds a command, over the million (or the tenth) that follows. */
  readonly nanoseconds: number
  readonly stateBytes: number
  readonly rssBytes: number
}

export interface CoreThreadOutput {
  readonly made: Made
  /** All commands, warm-up included. */
  readonly sent: number
  readonly accepted: number
  readonly refused: number
  readonly repeated: number
  readonly trialBalance: ReadonlyMap<string, bigint>
  /** The timed part. */
  readonly commands: number
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly rowBytes: number
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Bytes on the JavaScript heap that a million commands leave behind, and that they ask for in passing. */
  readonly heapGrowthPerMillion: number
  readonly heapAllocatedPerMillion: number
  readonly first: Moment
  /** Of the state once all sets of remembered ids are at their full size; 0 if the run is too short for that. */
  readonly filledStateBytes: number
  readonly last: Moment
}

const GROWTH_WINDOW = 1_000_000
/** Commands after which three sets of 2²⁰ ids have been used: two that are remembered, one that is being cleared. */
const FILLED_COMMANDS = 4_000_000

class Bench {
  private readonly input: CoreThreadInput
  private readonly core: WalletCore
  private readonly generators: readonly CommandGenerator[]
  private readonly slots: Uint8Array
  private readonly out = new Uint8Array(FRAME_BYTES_MAX)
  private readonly cpuNs = threadClock()
  private readonly collect: () => void
  private readonly arrayBytesBefore: number
  private turn = 0
  sent = 0
  accepted = 0
  refused = 0
  rowBytes = 0

  constructor(input: CoreThreadInput) {
    this.input = input
    setFlagsFromString('--expose-gc')
    this.collect = runInNewContext('gc') as () => void
    this.slots = new Uint8Array(input.batch * COMMAND_SLOT_BYTES)
    this.arrayBytesBefore = process.memoryUsage().arrayBuffers
    this.core = createCore({ partition: 0, accountsInitial: input.accounts })
    this.generators = input.workloads.map(
      (name, index) =>
        new CommandGenerator(workloadOf(name), {
          accounts: input.accounts,
          seed: input.seed + index,
          unlimited: input.unlimited,
        }),
    )
    this.openAccounts()
  }

  run(): CoreThreadOutput {
    const { input } = this
    this.decideFor(0, input.warmUpCommands, undefined)
    const firstBytes = this.memory()
    const made = this.made()
    const commandsBefore = this.sent
    const rowBytesBefore = this.rowBytes
    const histogram = new Histogram()
    const windowCommands = Math.min(GROWTH_WINDOW, Math.ceil(input.commandsMin / 10))
    const firstWindow = this.decideFor(0, windowCommands, histogram)
    const isLong = input.commandsMin > 2 * FILLED_COMMANDS
    const filling = this.decideFor(0, isLong ? FILLED_COMMANDS : 0, histogram)
    const filledStateBytes = isLong ? this.memory().stateBytes : 0
    const rest = this.decideFor(
      input.seconds - firstWindow.wallSeconds,
      input.commandsMin - windowCommands * 2 - filling.commands,
      histogram,
    )
    const commandsBeforeLast = this.sent
    const lastBytes = this.memory()
    const lastWindow = this.decideFor(0, windowCommands, histogram)
    const parts = [firstWindow, filling, rest, lastWindow]
    const commands = this.sent - commandsBefore
    const rowBytes = this.rowBytes - rowBytesBefore
    const after = this.made()
    const heap = this.measureHeap(windowCommands)
    return {
      made: difference(after, made),
      accepted: this.accepted,
      refused: this.refused,
      repeated: this.made().repeated,
      sent: this.sent,
      trialBalance: this.core.trialBalance(),
      commands,
      wallSeconds: parts.reduce((seconds, part) => seconds + part.wallSeconds, 0),
      cpuSeconds: parts.reduce((seconds, part) => seconds + part.cpuSeconds, 0),
      rowBytes,
      latencyMs: histogram.latency(),
      ...heap,
      filledStateBytes,
      first: { commands: commandsBefore, nanoseconds: costOf(firstWindow), ...firstBytes },
      last: { commands: commandsBeforeLast, nanoseconds: costOf(lastWindow), ...lastBytes },
    }
  }

  private openAccounts(): void {
    const { accounts, batch } = this.input
    for (let first = 1; first <= accounts; first += batch) {
      const count = Math.min(batch, accounts - first + 1)
      this.generators[0]!.fillOpenings(this.slots, first, count, Date.now())
      const done = this.decide(count)
      if (done.events !== count) throw new Error(`only ${done.events} of ${count} accounts were opened`)
    }
  }

  private decide(count: number): { readonly events: number; readonly bytes: number } {
    const { slots, out } = this
    const nowNs = BigInt(Date.now()) * 1_000_000n
    const done = this.core.decide(slots, count, nowNs, out, 0, out.length)
    if (done.commands !== count) throw new Error(`only ${done.commands} of ${count} commands fitted a frame`)
    return done
  }

  /** Decides batches until both bounds are reached. */
  private decideFor(
    seconds: number,
    commandsMin: number,
    histogram: Histogram | undefined,
  ): { readonly commands: number; readonly wallSeconds: number; readonly cpuSeconds: number } {
    const { cpuNs } = this
    const { batch } = this.input
    let wallMs = 0
    let cpu = 0
    let commands = 0
    while (commands < commandsMin || wallMs < seconds * 1_000) {
      this.fill(batch)
      const cpuBefore = cpuNs()
      const before = performance.now()
      const done = this.decide(batch)
      const after = performance.now()
      cpu += cpuNs() - cpuBefore
      wallMs += after - before
      commands += batch
      histogram?.record(after - before)
      this.count(done.events, done.bytes)
    }
    return { commands, wallSeconds: wallMs / 1_000, cpuSeconds: cpu / 1e9 }
  }

  private fill(count: number): void {
    this.generators[this.turn]!.fill(this.slots, count, Date.now())
    this.turn = (this.turn + 1) % this.generators.length
    this.sent += count
  }

  /** Counts the outcomes that stand in the rows. */
  private count(events: number, bytes: number): void {
    if (bytes !== events * EVENT_ROW_BYTES)
      throw new Error('a row has a text, which no command of this benchmark has')
    let refused = 0
    for (let row = 0; row < bytes; row += EVENT_ROW_BYTES)
      if (this.out[row + ROW_BYTE.kind] === EVENT_KINDS.TransferRefused) refused += 1
    this.refused += refused
    this.accepted += events - refused
    this.rowBytes += bytes
  }

  private made(): Made {
    return this.generators.map((generator) => generator.made()).reduce(sum)
  }

  private memory(): { readonly stateBytes: number; readonly rssBytes: number } {
    this.collect()
    const stateBytes = process.memoryUsage().arrayBuffers - this.arrayBytesBefore
    return { stateBytes, rssBytes: processStatusBytes('VmRSS') }
  }

  /** What the heap holds more after `commands` commands, and what it was asked for meanwhile. */
  private measureHeap(commands: number): { heapGrowthPerMillion: number; heapAllocatedPerMillion: number } {
    const { batch } = this.input
    this.collect()
    const before = getHeapStatistics().used_heap_size
    const idle = allocatedBy(() => undefined)
    let asked = 0
    let measured = 0
    for (let done = 0; done < commands; done += batch) {
      this.fill(batch)
      let events = 0
      let bytes = 0
      const grown = allocatedBy(() => {
        const result = this.decide(batch)
        events = result.events
        bytes = result.bytes
      })
      this.count(events, bytes)
      // A negative one had the collector run within it.
      if (grown < 0) continue
      asked += Math.max(0, grown - idle)
      measured += batch
    }
    this.collect()
    const growth = getHeapStatistics().used_heap_size - before
    return {
      heapGrowthPerMillion: Math.max(0, (growth / commands) * 1e6),
      heapAllocatedPerMillion: measured === 0 ? 0 : (asked / measured) * 1e6,
    }
  }
}

function allocatedBy(work: () => void): number {
  const before = getHeapStatistics().used_heap_size
  work()
  return getHeapStatistics().used_heap_size - before
}

function sum(left: Made, right: Made): Made {
  return {
    commands: left.commands + right.commands,
    hot: left.hot + right.hot,
    checked: left.checked + right.checked,
    repeated: left.repeated + right.repeated,
  }
}

function difference(after: Made, before: Made): Made {
  return {
    commands: after.commands - before.commands,
    hot: after.hot - before.hot,
    checked: after.checked - before.checked,
    repeated: after.repeated - before.repeated,
  }
}

function costOf(part: { readonly commands: number; readonly cpuSeconds: number }): number {
  return (part.cpuSeconds * 1e9) / part.commands
}

if (parentPort !== null) parentPort.postMessage(new Bench(workerData as CoreThreadInput).run())

/** The processes of `restart`: one builds the data folder, one starts from its snapshot, one replays its log from zero. */
import { nodeDisk } from '../eventlog/disk/disk.ts'
import { readFramesAhead } from '../eventlog/file/read/read-ahead.ts'
import { createCore } from '../writer/core/core.ts'
import { startEmbeddedWriter } from '../writer/embedded.ts'
import { applyFrames } from '../writer/recovery/load-state.ts'
import { digestSections } from '../writer/recovery/state-digest.ts'
import { answerParent } from './child.ts'
import { fillLog, type Outcomes } from './filler.ts'
import { CommandGenerator, type Made } from './generator.ts'
import { processStatusBytes } from './machine.ts'
import { cpuBetween, RoleClock, type RoleCpu } from './role-cpu.ts'
import { workloadOf } from './workloads.ts'

const PARTITION = 0
/** More events than any run makes: the only snapshot is the one at a stop. */
const NEVER = 2 ** 50

export interface BuildAsk {
  readonly dataDir: string
  readonly workload: string
  readonly accounts: number
  /** Commands behind the openings, that the snapshot covers. */
  readonly commands: number
  /** Commands behind the snapshot. */
  readonly tailCommands: number
  readonly seed: number
  readonly unlimited: boolean
}

export interface Built {
  readonly outcomes: Outcomes
  readonly made: Made
}

export interface Started {
  readonly milliseconds: number
  readonly cpuSeconds: RoleCpu
  readonly snapshotSequence: number
  readonly eventsReplayed: number
  readonly accounts: number
  readonly rssBytes: number
  readonly digest: string
}

export interface Replayed {
  readonly seconds: number
  readonly cpuSeconds: RoleCpu
  readonly events: number
  readonly frames: number
  readonly accounts: number
  readonly rssBytes: number
  readonly digest: string
  readonly trialBalance: ReadonlyMap<string, bigint>
}

/** A type and not an interface, so that it fits `Dialogue`. */
export type RestartDialogue = {
  readonly build: { readonly ask: BuildAsk; readonly answer: Built }
  readonly start: { readonly ask: { readonly dataDir: string }; readonly answer: Started }
  readonly replay: { readonly ask: { readonly dataDir: string }; readonly answer: Replayed }
}

async function build(ask: BuildAsk): Promise<Built> {
  const { dataDir, accounts, seed, unlimited } = ask
  const generator = new CommandGenerator(workloadOf(ask.workload), { accounts, seed, unlimited })
  const options = { dataDir, snapshots: { everyEvents: NEVER } }
  const first = await startEmbeddedWriter({ ...options, core: { accountsInitial: accounts } })
  const covered = await fillLog(first, generator, accounts, ask.commands)
  await first.stop()
  // The second writer leaves its events without a snapshot: whoever asked kills this process.
  const second = await startEmbeddedWriter(options)
  const behind = await fillLog(second, generator, 0, ask.tailCommands)
  return {
    outcomes: {
      events: covered.events + behind.events,
      refused: covered.refused + behind.refused,
    },
    made: generator.made(),
  }
}

async function start({ dataDir }: { readonly dataDir: string }): Promise<Started> {
  const clock = new RoleClock()
  const before = clock.now()
  const startedMs = performance.now()
  const writer = await startEmbeddedWriter({ dataDir, snapshots: { everyEvents: NEVER } })
  const milliseconds = performance.now() - startedMs
  const cpuSeconds = cpuBetween(before, clock.now())
  const rssBytes = processStatusBytes('VmRSS')
  const { recovery } = writer
  if (recovery.snapshot === undefined) throw new Error('the writer did not start from the snapshot')
  return {
    milliseconds,
    cpuSeconds,
    snapshotSequence: Number(recovery.snapshot.sequence),
    eventsReplayed: Number(recovery.replayed.events),
    accounts: writer.status().accounts,
    rssBytes,
    digest: await writer.digest(),
  }
}

function replay({ dataDir }: { readonly dataDir: string }): Replayed {
  const clock = new RoleClock()
  const before = clock.now()
  const startedMs = performance.now()
  const core = createCore({ partition: PARTITION })
  const { events, frames } = applyFrames(core, readFramesAhead(nodeDisk, dataDir, PARTITION, 1n))
  const seconds = (performance.now() - startedMs) / 1_000
  return {
    seconds,
    cpuSeconds: cpuBetween(before, clock.now()),
    events: Number(events),
    frames,
    accounts: core.accounts(),
    rssBytes: processStatusBytes('VmRSS'),
    digest: digestSections(core.save()),
    trialBalance: core.trialBalance(),
  }
}

answerParent<RestartDialogue>({ build, start, replay })

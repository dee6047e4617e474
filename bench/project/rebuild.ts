/** A new version of a view, built beside the one that serves while commands come in: how quickly, and at whose cost. */
import path from 'node:path'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { Histogram } from '../histogram.ts'
import { atMost, type Latency, type Run, type Verified } from '../report.ts'
import { MESSAGES_PER_SECOND, onPlatform } from './platform-process.ts'
import type { Bench, Measured, Section } from './section.ts'
import type { Rebuilt, SteadyLoad } from './steady-child.ts'

/** Two rows an event: the largest of the built-in ones. */
const VIEW = 'history'
/** What an operator gets who says nothing. */
const SHARE = 0.5
const PER_SECOND = 10_000
const P99_RATIO_MAX = 1.3

export const rebuildSection: Section = { name: 'rebuild', measure }

async function measure({ folder, options, say }: Bench): Promise<Measured> {
  const { quick, seed, unlimited } = options
  const sizes = { accounts: options.accounts ?? (quick ? 500 : 100_000), seed, unlimited }
  const seconds = options.seconds ?? (quick ? 0.2 : 10)
  return onPlatform(sizes, path.join(folder, 'rebuild'), async (platform) => {
    await platform.startViews()
    const commands = options.events ?? (quick ? 5_000 : 3_000_000)
    say(`project: ${commands} commands, in the log and in the views`)
    await platform.loadAtOnce(commands)
    await platform.load(PER_SECOND, quick ? 0.05 : 2)
    say(`project: ${PER_SECOND} transfers/s, nothing is rebuilt`)
    const before = await platform.load(PER_SECOND, seconds)
    say(`project: ${PER_SECOND} transfers/s while ${VIEW} is rebuilt`)
    await platform.rebuild(VIEW, SHARE)
    const meanwhile: SteadyLoad[] = []
    let rebuilt: Rebuilt | undefined
    while (rebuilt === undefined) {
      meanwhile.push(await platform.load(PER_SECOND, seconds))
      rebuilt = await platform.rebuilt()
    }
    const proof = await platform.stop()
    const run = runOf(before, meanwhile, rebuilt, { accounts: sizes.accounts, seed, proof })
    return {
      runs: [run],
      targets: [
        atMost(
          'rebuild: commits’ p99 meanwhile over that without',
          run.further['overP99Before']!,
          P99_RATIO_MAX,
        ),
      ],
    }
  })
}

interface Common {
  readonly accounts: number
  readonly seed: number
  readonly proof: Verified
}

function runOf(
  before: SteadyLoad,
  meanwhile: readonly SteadyLoad[],
  { events, seconds }: Rebuilt,
  { accounts, seed, proof }: Common,
): Run {
  const madeIn = (what: 'commands' | 'hot' | 'checked' | 'repeated'): number =>
    meanwhile.reduce((sum, { result }) => sum + result.made[what], 0)
  const commands = madeIn('commands')
  const latency = latencyOf(meanwhile)
  const latencyBefore = latencyOf([before])
  const throughput = events / seconds
  return {
    workload: {
      name: `rebuild of ${VIEW}, ${PER_SECOND.toLocaleString('en')} transfers/s meanwhile`,
      accounts,
      batch: PER_SECOND / MESSAGES_PER_SECOND,
      commands,
      seed,
      shareHot: madeIn('hot') / commands,
      shareChecked: madeIn('checked') / commands,
      shareRepeated: madeIn('repeated') / commands,
      shareRefused: proof.refused / proof.sent,
    },
    throughput,
    unit: 'events/s',
    latencyMs: latency,
    cpuSeconds: {
      engine: meanwhile.reduce((sum, { engineCpuSeconds }) => sum + engineCpuSeconds, 0),
      platform: meanwhile.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    },
    bytes: { written: 0, received: commands * COMMAND_SLOT_BYTES, sent: 0 },
    limit: { name: 'events/s by which the log grows meanwhile', value: PER_SECOND },
    ratio: throughput / PER_SECOND,
    memory: { rssBytes: meanwhile.at(-1)!.rssBytes },
    verified: proof,
    further: {
      events,
      seconds,
      share: SHARE,
      p99BeforeMs: latencyBefore.p99,
      overP99Before: latency.p99 / latencyBefore.p99,
    },
  }
}

function latencyOf(loads: readonly SteadyLoad[]): Latency {
  const histogram = new Histogram()
  for (const { result } of loads) histogram.add(result.buckets, result.maxMs)
  return histogram.latency()
}

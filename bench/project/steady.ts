/**
 * What the views cost while transfers come in at a steady rate: the engine's CPU time, and what the platform's process uses
 * over what it uses under the same load without views.
 */
import path from 'node:path'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { Histogram } from '../histogram.ts'
import { atMost, type Latency, type Run, type Verified } from '../report.ts'
import { MESSAGES_PER_SECOND, onPlatform } from './platform-process.ts'
import type { Bench, Measured, Section } from './section.ts'
import type { SteadyLoad } from './steady-child.ts'

/** Transfers a second, and the share of a core that the views may cost at it. */
const RATES = [
  { perSecond: 1_000, coresMax: 0.05 },
  { perSecond: 10_000, coresMax: 0.15 },
  { perSecond: 50_000, coresMax: 0.35 },
] as const
/** Merges are part of the cost: of each table one in sixteen ranges. */
const SECONDS = 40
const SECONDS_WITHOUT = 15

export const steadySection: Section = { name: 'steady', measure }

async function measure({ folder, options, say }: Bench): Promise<Measured> {
  const { quick, seed, unlimited } = options
  const sizes = { accounts: options.accounts ?? (quick ? 500 : 100_000), seed, unlimited }
  const seconds = options.seconds ?? (quick ? 0.2 : SECONDS)
  const warmUpSeconds = quick ? 0.05 : 2
  const without = await onPlatform(sizes, path.join(folder, 'without-views'), async (platform) => {
    await platform.load(RATES[0].perSecond, warmUpSeconds)
    const loads: SteadyLoad[] = []
    for (const { perSecond } of RATES) {
      say(`project: ${perSecond} transfers/s without views`)
      loads.push(await platform.load(perSecond, Math.min(seconds, SECONDS_WITHOUT)))
    }
    await platform.stop()
    return loads
  })
  return onPlatform(sizes, path.join(folder, 'with-views'), async (platform) => {
    await platform.startViews()
    await platform.load(RATES[0].perSecond, warmUpSeconds)
    const loads: SteadyLoad[] = []
    for (const { perSecond } of RATES) {
      say(`project: ${perSecond} transfers/s with the views`)
      loads.push(await platform.load(perSecond, seconds))
    }
    say('project: writes that are waited for, one by one')
    const readable = await platform.waitedFor(quick ? 2 : 30)
    const proof = await platform.stop()
    const common = { accounts: sizes.accounts, seed, proof, readable }
    const runs = RATES.map(({ perSecond }, index) => runOf(perSecond, without[index]!, loads[index]!, common))
    const targets = RATES.map(({ perSecond, coresMax }, index) =>
      atMost(
        `${perSecond.toLocaleString('en')} transfers/s: cores for the views`,
        runs[index]!.ratio,
        coresMax,
      ),
    )
    return { runs, targets }
  })
}

interface Common {
  readonly accounts: number
  readonly seed: number
  readonly proof: Verified
  readonly readable: Latency
}

function runOf(
  perSecond: number,
  without: SteadyLoad,
  { result, cpuSeconds, engineCpuSeconds, ranges, lagSecondsMax, rssBytes }: SteadyLoad,
  { accounts, seed, proof, readable }: Common,
): Run {
  const { made, wallSeconds, buckets, maxMs } = result
  const platform = (without.cpuSeconds / without.result.wallSeconds) * wallSeconds
  const runtime = Math.max(0, cpuSeconds - platform)
  const cores = (engineCpuSeconds + runtime) / wallSeconds
  const throughput = made.commands / wallSeconds
  const histogram = new Histogram()
  histogram.add(buckets, maxMs)
  return {
    workload: {
      name: `${perSecond.toLocaleString('en')} transfers/s with the views`,
      accounts,
      batch: perSecond / MESSAGES_PER_SECOND,
      commands: made.commands,
      seed,
      shareHot: made.hot / made.commands,
      shareChecked: made.checked / made.commands,
      shareRepeated: made.repeated / made.commands,
      shareRefused: proof.refused / proof.sent,
    },
    throughput,
    unit: 'transfers/s',
    latencyMs: histogram.latency(),
    cpuSeconds: { engine: engineCpuSeconds, runtime, platform },
    bytes: { written: 0, received: made.commands * COMMAND_SLOT_BYTES, sent: 0 },
    limit: { name: 'what a whole core would carry at that cost', value: throughput / cores },
    ratio: cores,
    memory: { rssBytes },
    verified: proof,
    further: {
      seconds: wallSeconds,
      engineCores: engineCpuSeconds / wallSeconds,
      runtimeCores: runtime / wallSeconds,
      platformCores: platform / wallSeconds,
      engineCpuSecondsPerMillion: (engineCpuSeconds / made.commands) * 1e6,
      ranges,
      lagSecondsMax,
      waitedForMsP50: readable.p50,
      waitedForMsMax: readable.max,
    },
  }
}

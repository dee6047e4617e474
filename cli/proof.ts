/**
 * What an auditor may ask of a platform: does its state, and do its views, follow from its log and from nothing else? Every
 * check is done anew, from the first byte of the log.
 */
import type { EventLog, LogHead } from '../eventlog/ports.ts'
import { proveByReplay } from '../projectors/prove.ts'
import type { ViewStore } from '../projectors/view-store.ts'
import { replayLog, type Replay } from '../writer/replay.ts'
import type { Platform } from './platform.ts'
import { readViewsPosition } from './views-position.ts'

export interface Check {
  readonly name: 'log' | 'trialBalance' | 'state' | 'views'
  readonly holds: boolean
  /** What was compared, or what differs. */
  readonly finding: string
}

export interface Proof {
  /** True if every check holds. */
  readonly holds: boolean
  readonly checks: readonly Check[]
  /** The last sequence that was replayed. */
  readonly sequence: bigint
  readonly accounts: number
  /** Sum over all accounts, per currency, in minor units: decimal strings, all "0" unless money was made or lost. */
  readonly trialBalance: Readonly<Record<string, string>>
  readonly seconds: number
}

/** How long the views may take to catch up before they are proven, in ms. */
const CATCH_UP_MS_MAX = 60_000
/** Attempts to find the log at rest, because the state of a moment can only be compared with the log up to that moment. */
const QUIET_ATTEMPTS_MAX = 20

/** Proves a platform that runs in this process: log, state of the writer, views. Blocks while it replays. */
export async function provePlatform(platform: Platform): Promise<Proof> {
  const startedAtMs = performance.now()
  const { writer, store, projections, dataDir } = platform
  await projections.waitFor(platform.position(), CATCH_UP_MS_MAX)
  const { head, digest } = await digestAtRest(platform)
  const replay = replayLog(dataDir, writer.log.partition, { until: head })
  const state: Check = {
    name: 'state',
    holds: digest === replay.digest,
    finding:
      digest === replay.digest
        ? `the writer's state is bit for bit what the log gives (${digest.slice(0, 16)}…)`
        : `the writer's state (${digest.slice(0, 16)}…) is not what the log gives (${replay.digest.slice(0, 16)}…)`,
  }
  const views = await checkViews(store, writer.log, replay.head)
  return conclude(replay, [state, views], startedAtMs)
}

/** The writer's digest, and a head of the log that says the same moment. */
async function digestAtRest(platform: Platform): Promise<{ head: LogHead; digest: string }> {
  for (let attempt = 0; ; attempt++) {
    const before = platform.writer.log.head()
    const digest = await platform.writer.digest()
    const head = platform.writer.log.head()
    if (head.sequence === before.sequence || attempt === QUIET_ATTEMPTS_MAX) return { head, digest }
  }
}

/** Proves the views against the log, up to where they are. A log that ends before them cannot be theirs. */
export async function checkViews(store: ViewStore, log: EventLog, head: LogHead): Promise<Check> {
  const upTo = (await readViewsPosition(store)).get(log.partition) ?? 0n
  if (upTo > head.sequence)
    return {
      name: 'views',
      holds: false,
      finding: `the views hold events up to ${upTo}, but the log ends at ${head.sequence}`,
    }
  if (upTo === 0n) return { name: 'views', holds: true, finding: 'they hold nothing yet' }
  const proof = await proveByReplay({ store, log, upTo })
  const different = proof.differences.map(({ live }) => live.table).join(', ')
  return {
    name: 'views',
    holds: proof.equal,
    finding: proof.equal
      ? `${proof.digests.length} tables equal a replay of events 1 to ${upTo}, row for row`
      : `these differ from a replay of events 1 to ${upTo}: ${different}`,
  }
}

/** Puts the checks of a replay (whose frames were all verified) and further ones together. */
export function conclude(replay: Replay, further: readonly Check[], startedAtMs: number): Proof {
  const unbalanced = [...replay.trialBalance].filter(([, sum]) => sum !== 0n)
  const checks: readonly Check[] = [
    {
      name: 'log',
      holds: true,
      finding: `${replay.frames} frames with ${replay.events} events: checksums, hashes, chain and sequences are right`,
    },
    {
      name: 'trialBalance',
      holds: unbalanced.length === 0,
      finding:
        unbalanced.length === 0
          ? `${replay.trialBalance.size} currencies over ${replay.accounts} accounts, each sums to zero`
          : unbalanced.map(([currency, sum]) => `${currency} sums to ${sum}`).join(', '),
    },
    ...further,
  ]
  return {
    holds: checks.every(({ holds }) => holds),
    checks,
    sequence: replay.head.sequence,
    accounts: replay.accounts,
    trialBalance: Object.fromEntries(
      [...replay.trialBalance].map(([currency, sum]) => [currency, sum.toString()]),
    ),
    seconds: Math.round(performance.now() - startedAtMs) / 1_000,
  }
}

/** The proof for people. */
export function describeProof(proof: Proof): string {
  return [
    ...proof.checks.map(({ name, holds, finding }) => `${holds ? 'holds ' : 'FAILS '} ${name}: ${finding}`),
    proof.holds ? `Everything holds (${proof.seconds} s).` : 'Not everything holds.',
  ].join('\n')
}

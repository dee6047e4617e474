/**
 * What an auditor may ask of a platform: does its state, and do its views, follow from its log and from nothing else? Every
 * check is done anew, from the first byte of the log.
 */
import type { EventLog, LogHead } from '../../eventlog/ports.ts'
import {
  heldByAll,
  heldByAny,
  readAnyCheckpoints,
  type Checkpoints,
  versionKey,
  type VersionKey,
} from '../../projectors/runtime/checkpoints.ts'
import { readAnySkips, type Skip } from '../../projectors/registry/skips.ts'
import { readAnyVersions } from '../../projectors/registry/serving-at-rest.ts'
import type { Projection, SqlProjection } from '../../projectors/projection.ts'
import { fixedServing, type Serving } from '../../projectors/serving.ts'
import { proveByReplay } from '../../projectors/proof/prove.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import type { VoidFrames } from '../../writer/distributed/replay-topic.ts'
import { replayLog, type Replay } from '../../writer/recovery/replay-log.ts'
import type { EmbeddedWriter } from '../../writer/embedded.ts'
import { formatPosition } from '../../schemas/positions.ts'
import { projectionsOf } from '../../gateway/view.ts'
import type { Platform } from '../../platform/embedded-platform.ts'
import { checkCode, runsCodeOf, type Finding, type RunsCode } from './code-views.ts'
import { replayable } from './replayable.ts'

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
  /** Up to where the log was replayed, in its inside form: `0:1042,1:7`. */
  readonly position: string
  /** Events replayed, over all partitions. */
  readonly events: bigint
  readonly accounts: number
  /** Sum over all accounts of all partitions, per currency, in minor units: decimal strings, all "0" unless money was made or lost. */
  readonly trialBalance: Readonly<Record<string, string>>
  readonly partitions: readonly PartitionReplay[]
  /** Events that operators have left out of a view, ever: no difference is told of them. */
  readonly skipped: readonly SkippedEvent[]
  readonly seconds: number
}

export interface SkippedEvent {
  readonly name: string
  readonly version: number
  /** Inside form: `0:1042`. */
  readonly position: string
  readonly reason: string
  /** Who said so, as they named themselves. */
  readonly by: string
  /** RFC 3339. */
  readonly at: string
}

/** What the replay of one partition gave. */
export interface PartitionReplay {
  readonly partition: number
  readonly sequence: bigint
  readonly frames: number
  /** Frames passed over, where the log can hold any. */
  readonly voidFrames?: number
  /** SHA-256 of the state. */
  readonly digest: string
}

/** What was proven of one partition: every frame of its replay was verified, and what further checks found. */
export interface PartitionProof {
  readonly replay: Omit<Replay, 'core'> & { readonly voids?: VoidFrames }
  readonly checks: readonly Check[]
}

/** How long the views may take to catch up before they are proven, in ms. */
const CATCH_UP_MS_MAX = 60_000
/** Attempts to find the log at rest, because the state of a moment can only be compared with the log up to that moment. */
const QUIET_ATTEMPTS_MAX = 20

/** Proves a platform that runs in this process: logs, state of the writers, views. Blocks while it replays. */
export async function provePlatform(platform: Platform): Promise<Proof> {
  const startedAtMs = performance.now()
  const { writers, store, projections, views, dataDir } = platform
  await projections.waitFor(platform.position(), CATCH_UP_MS_MAX)
  const proofs: PartitionProof[] = []
  for (const writer of writers) {
    const { head, digest } = await digestAtRest(writer)
    const { core: _, ...replay } = replayLog(dataDir, writer.log.partition, { until: head })
    const state: Check = {
      name: 'state',
      holds: digest === replay.digest,
      finding:
        digest === replay.digest
          ? `the writer's state is bit for bit what the log gives (${digest.slice(0, 16)}…)`
          : `the writer's state (${digest.slice(0, 16)}…) is not what the log gives (${replay.digest.slice(0, 16)}…)`,
    }
    const checked = await checkViews({
      store,
      log: writer.log,
      head: replay.head,
      projections: projectionsOf(views),
      serving: projections.serving(),
      runsCode: runsCodeOf(store, views, writers.length),
    })
    proofs.push({ replay, checks: [state, checked] })
  }
  return conclude(proofs, startedAtMs, skippedEvents(await readAnySkips(store)))
}

/** What operators have left out, as a proof lists it. */
export function skippedEvents(skips: readonly Skip[]): readonly SkippedEvent[] {
  return skips.map(({ name, version, partition, sequence, reason, by, atMs }) => ({
    name,
    version,
    position: `${partition}:${sequence}`,
    reason,
    by,
    at: new Date(atMs).toISOString(),
  }))
}

/** The writer's digest, and a head of its log that says the same moment. */
async function digestAtRest(writer: EmbeddedWriter): Promise<{ head: LogHead; digest: string }> {
  for (let attempt = 0; ; attempt++) {
    const before = writer.log.head()
    const digest = await writer.digest()
    const head = writer.log.head()
    if (head.sequence === before.sequence || attempt === QUIET_ATTEMPTS_MAX) return { head, digest }
  }
}

/** The views of one partition, and the log that they are to follow from. */
export interface ViewsToCheck {
  readonly store: ViewStore
  readonly log: EventLog
  readonly head: LogHead
  /** Those that the program was given. What operators have added stands in the store. */
  readonly projections: readonly Projection[]
  /** Runs those of them that are code; undefined: they are not replayed, which is said. */
  readonly runsCode?: RunsCode | undefined
  /** The versions that are read; by default one of each, as declared. */
  readonly serving?: Serving | undefined
  /** Where they are; by default read now. While views go on, they have to be read before the log's head is. */
  readonly checkpoints?: Checkpoints | undefined
}

/** Proves the views against the log, up to where they are. A log that ends before them cannot be theirs. */
export async function checkViews(views: ViewsToCheck): Promise<Check> {
  const { store, log, head } = views
  const { partition } = log
  const all = views.checkpoints ?? (await readAnyCheckpoints(store))
  const reach = heldByAny(all).get(partition) ?? 0n
  if (reach > head.sequence)
    return {
      name: 'views',
      holds: false,
      finding: `the views hold events up to ${reach}, but the log ends at ${head.sequence}`,
    }
  const { projections: known, code, notes } = replayable(views.projections, await readAnyVersions(store))
  if (reach === 0n)
    return { name: 'views', holds: true, finding: ['they hold nothing yet', ...notes].join('; ') }
  const skips = (await readAnySkips(store)).filter((skip) => skip.partition === partition)
  const tables = await checkTables({ ...views, known, checkpoints: all, skips })
  const ofCode = await checkCode({ store, log, code, checkpoints: all, skips, runsCode: views.runsCode })
  const findings = [...tables, ...ofCode]
  return {
    name: 'views',
    holds: findings.every(({ holds }) => holds),
    finding: [...findings.map(({ text }) => text), ...notes].join('; '),
  }
}

interface TablesToCheck extends ViewsToCheck {
  readonly known: readonly SqlProjection[]
  readonly checkpoints: Checkpoints
  /** Of the log's partition. */
  readonly skips: readonly Skip[]
}

/** Proves those that are SQL, all of them up to where the last of them is. */
async function checkTables({ store, log, known, checkpoints, ...views }: TablesToCheck): Promise<readonly Finding[]> {
  const { partition } = log
  const serving = views.serving ?? fixedServing(known)
  const versionOf = ({ name, version }: SqlProjection): VersionKey => ({
    name,
    version: serving.versionOf(name) ?? version,
  })
  const projections = comparable(known, checkpoints, partition, versionOf)
  const upTo = heldByAll(checkpoints, projections.map(versionOf)).get(partition)?.sequence ?? 0n
  const others = known.filter((projection) => !projections.includes(projection))
  const left: string[] =
    others.length === 0
      ? []
      : [`not compared as long as some are not filled: ${others.map(({ name }) => name).join(', ')}`]
  if (upTo === 0n) return left.map((text) => ({ holds: true, text }))
  const skips = views.skips.filter(({ sequence }) => sequence <= upTo)
  const ofKey = (key: VersionKey): readonly Skip[] =>
    skips.filter((skip) => versionKey(skip) === versionKey(key))
  const without = projections.flatMap((one) => ofKey(versionOf(one)))
  if (without.length > 0)
    left.push(
      `without what operators left out: ${without.map(({ name, sequence }) => `${name} ${partition}:${sequence}`).join(', ')}`,
    )
  const proof = await proveByReplay({
    store,
    log,
    upTo,
    projections,
    serving,
    without: new Map(
      projections.map((one) => [one.name, new Set(ofKey(versionOf(one)).map(({ sequence }) => sequence))]),
    ),
  })
  const different = proof.differences.map(({ live }) => live.table).join(', ')
  const finding = proof.equal
    ? `${proof.digests.length} tables equal a replay of events 1 to ${upTo}, row for row`
    : `these differ from a replay of events 1 to ${upTo}: ${different}`
  return [{ holds: proof.equal, text: finding }, ...left.map((text) => ({ holds: true, text }))]
} // prettier-ignore

/** Projections that hold something of a partition, and so do those whose tables say how theirs were before. */
function comparable(
  projections: readonly SqlProjection[],
  checkpoints: Checkpoints,
  partition: number,
  versionOf: (projection: SqlProjection) => VersionKey,
): readonly SqlProjection[] {
  const filled = projections.filter(
    (one) => (checkpoints.get(versionKey(versionOf(one)))?.get(partition)?.sequence ?? 0n) > 0n,
  )
  const tables = filled.flatMap((projection) => projection.tables.map(({ name }) => name))
  return filled.filter((projection) =>
    projection.tables.every(({ highest }) => highest === undefined || tables.includes(highest.past)),
  )
}

/** Puts the proofs of all partitions together. A check holds if it holds in each of them. */
export function conclude(
  partitions: readonly PartitionProof[],
  startedAtMs: number,
  skipped: readonly SkippedEvent[] = [],
): Proof {
  const replays = partitions.map(({ replay }) => replay)
  const checks = [
    together(partitions, ({ replay }) => ({
      name: 'log',
      holds: true,
      finding: `${replay.frames} frames with ${replay.events} events: checksums, hashes, chain and sequences are right${passedOver(replay)}`,
    })),
    together(partitions, ({ replay }) => trialBalanceOf(replay)),
    ...partitions[0]!.checks.map((_, index) => together(partitions, ({ checks }) => checks[index]!)),
  ]
  const sums = new Map<string, bigint>()
  for (const { trialBalance } of replays)
    for (const [currency, sum] of trialBalance) sums.set(currency, (sums.get(currency) ?? 0n) + sum)
  return {
    holds: checks.every(({ holds }) => holds),
    checks,
    position: formatPosition(new Map(replays.map(({ head }) => [head.partition, head.sequence]))),
    events: replays.reduce((sum, { events }) => sum + events, 0n),
    accounts: replays.reduce((sum, { accounts }) => sum + accounts, 0),
    trialBalance: Object.fromEntries([...sums].map(([currency, sum]) => [currency, sum.toString()])),
    partitions: replays.map(({ head: { partition, sequence }, frames, voids, digest }) => ({
      partition,
      sequence,
      frames,
      ...(voids === undefined ? {} : { voidFrames: voids.count }),
      digest,
    })),
    skipped,
    seconds: Math.round(performance.now() - startedAtMs) / 1_000,
  }
}

/** Void frames, where there are any. */
function passedOver({ voids }: PartitionProof['replay']): string {
  if (voids === undefined || voids.count === 0) return ''
  return `; ${voids.count} void frames passed over, the first at offset ${voids.first}`
}

/** Money never leaves a partition, so each one balances by itself. */
function trialBalanceOf({ trialBalance, accounts }: PartitionProof['replay']): Check {
  const unbalanced = [...trialBalance].filter(([, sum]) => sum !== 0n)
  return {
    name: 'trialBalance',
    holds: unbalanced.length === 0,
    finding:
      unbalanced.length === 0
        ? `${trialBalance.size} currencies over ${accounts} accounts, each sums to zero`
        : unbalanced.map(([currency, sum]) => `${currency} sums to ${sum}`).join(', '),
  }
}

/** One check of all partitions; where there are several, its finding says which each part is about. */
function together(partitions: readonly PartitionProof[], checkOf: (proof: PartitionProof) => Check): Check {
  const checks = partitions.map(checkOf)
  if (checks.length === 1) return checks[0]!
  return {
    name: checks[0]!.name,
    holds: checks.every(({ holds }) => holds),
    finding: checks
      .map(({ finding }, index) => `partition ${partitions[index]!.replay.head.partition}: ${finding}`)
      .join('; '),
  }
}

/** The proof for people. */
export function describeProof(proof: Proof): string {
  return [
    ...proof.checks.map(({ name, holds, finding }) => `${holds ? 'holds ' : 'FAILS '} ${name}: ${finding}`),
    ...proof.skipped.map(
      ({ name, version, position, reason, by, at }) =>
        `skipped ${name} version ${version} leaves out ${position}, said ${by} at ${at}: ${reason}`,
    ),
    proof.holds ? `Everything holds (${proof.seconds} s).` : 'Not everything holds.',
  ].join('\n')
}

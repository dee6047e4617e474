/**
 * Readiness: whether commands are taken and views can be read, and why not.
 *
 * Nothing here waits. Answers come from what is known already; whatever does not answer is asked again in the
 * background.
 */
import type { LagTrend } from '../../projectors/runtime/lag-trend.ts'
import { isPumpAlive, type Projections, type ProjectionStatus } from '../../projectors/runtime/status.ts'
import type { Coordinator } from '../../writer/coordinator/coordinator.ts'
import type { Writer, WriterStatus } from '../../writer/writer.ts'
import { badInput } from '../errors.ts'
import type { Feed } from '../live/feed.ts'
import type { ViewsGate } from '../read/views-gate.ts'

export const PURPOSES = ['commands', 'reads'] as const
export type Purpose = (typeof PURPOSES)[number]

/**
 * Whether the gateway can serve a purpose, and why not. It may be ready and still have reasons: a fault that every
 * gateway has makes none of them unready.
 */
export interface PurposeReadiness {
  readonly ready: boolean
  /** What is missing, for people. */
  readonly reasons: readonly string[]
}

export interface Readiness extends PurposeReadiness {
  /** The purposes that were asked for. */
  readonly for: readonly Purpose[]
  /**
   * False if no command of any partition can be taken. With several partitions, one that is away is only a reason: it
   * is away for every gateway, and a load balancer that goes by readiness would have no gateway left for the other
   * partitions.
   */
  readonly commands: PurposeReadiness
  /**
   * False if reads are refused, or will be soon because a projection has stopped or is paused that they need. Any other
   * that has stopped is only a reason: it answers for its own fields alone.
   */
  readonly reads: PurposeReadiness
  /** One per partition, in the order of their numbers. */
  readonly writers: readonly WriterReadiness[]
  readonly projections: readonly ProjectionReadiness[]
}

export interface WriterReadiness {
  readonly partition: number
  readonly state: WriterStatus['state']
  /**
   * The newest snapshot that a start can use; null: a start would replay the log from its first event. Missing if the
   * writer runs in another process, which reports it itself.
   */
  readonly snapshot?: SnapshotReadiness | null
  /** True while another snapshot is made; missing when `snapshot` is. */
  readonly snapshotUnderWay?: boolean
  /** What goes from this partition to others. Missing with one partition, and if that runs in another process. */
  readonly coordinator?: CoordinatorReadiness
}

/** Steps of transfers across partitions, since the start. */
export interface CoordinatorReadiness {
  /** The sequence up to which it has read the partition's log, in decimal. */
  readonly sequence: string
  readonly stepsSent: number
  /** Wait because the queue of their partition is busy. */
  readonly stepsWaiting: number
  /** Let go of because a partition was away; they are reminded of. */
  readonly stepsDropped: number
  /** Sent again because no answer had come. */
  readonly stepsReminded: number
}

export interface SnapshotReadiness {
  /** Sequence of its last event, in decimal. */
  readonly sequence: string
  /** Age of its state in whole seconds, by the wall clock. */
  readonly ageSeconds: number
  readonly bytes: number
  /** How long making it took; null if an earlier run made it. */
  readonly durationMs: number | null
}

export interface ProjectionReadiness {
  readonly name: string
  readonly state: ProjectionStatus['state']
  /** In decimal. */
  readonly lagEvents: string
  readonly lagSeconds: number
  readonly pumpAgeSeconds: number
  /** False if what fills it has stopped, or has not looked for work for long. */
  readonly pumpAlive: boolean
  /** Where the lag has been going, over 15 minutes at most; null: not known yet. */
  readonly lagTrend: LagTrend | null
  readonly failure: string | null
}

const NS_PER_SECOND = 1_000_000_000n

/**
 * The purposes that a probe asks for: `/readyz?for=commands`; both if it names none.
 * @throws Fault BAD_USER_INPUT for any other value
 */
export function purposesOf(url: string | undefined): readonly Purpose[] {
  const query = url?.split('?').slice(1).join('?') ?? ''
  const asked = new URLSearchParams(query).getAll('for')
  const strange = asked.find((purpose) => !(PURPOSES as readonly string[]).includes(purpose))
  if (strange !== undefined)
    throw badInput('for', `Ask for ${PURPOSES.join(' or for ')}, or leave "for" away to ask for both.`)
  return asked.length === 0 ? PURPOSES : PURPOSES.filter((purpose) => asked.includes(purpose))
}

export function createReadiness(parts: {
  readonly writers: readonly Writer[]
  readonly projections: Pick<Projections, 'status'>
  readonly feed: Pick<Feed, 'failure'>
  readonly gate: Pick<ViewsGate, 'closed'>
  /** Why a partition's commands are not decided although its writer reports no fault. */
  readonly unanswered: (partition: number) => string | undefined
  /** One per partition; none where none run in this process. */
  readonly coordinators: readonly Pick<Coordinator, 'status'>[]
  readonly isDraining: () => boolean
  /** Nanoseconds since 1970. */
  readonly clock: () => bigint
}): (purposes?: readonly Purpose[]) => Readiness {
  const commands = (): PurposeReadiness => {
    const away: string[] = []
    for (const writer of parts.writers) {
      const { state, failure } = writer.status()
      const { partition } = writer.queue
      const why =
        state === 'ready'
          ? (parts.feed.failure(partition) ?? parts.unanswered(partition))
          : `The writer of partition ${partition} is ${state}${failure === undefined ? '' : `: ${failure}`}.`
      if (why !== undefined) away.push(why)
    }
    return { ready: away.length === 0 || away.length < parts.writers.length, reasons: away }
  }
  const reads = (statuses: readonly ProjectionStatus[]): PurposeReadiness => {
    const closed = parts.gate.closed()
    const reasons = closed === undefined ? [] : [closed.reason]
    let isReady = closed === undefined
    for (const { name, isRequired, state, failure } of statuses) {
      const isOver = state === 'stopped' || state === 'paused'
      if (isOver && isRequired) isReady = false
      // If the store is away, its consequences need not be reported as well.
      if (isOver || closed?.kind !== 'away') reasons.push(...troubleOf(name, state, failure))
    }
    return { ready: isReady, reasons }
  }
  return (purposes = PURPOSES) => {
    const statuses = parts.projections.status()
    const all = { commands: commands(), reads: reads(statuses) }
    const asked = purposes.map((purpose) => all[purpose])
    const isDraining = parts.isDraining()
    const draining = isDraining ? ['The server is going down.'] : []
    return {
      ready: !isDraining && asked.every(({ ready }) => ready),
      reasons: [...draining, ...asked.flatMap(({ reasons }) => reasons)],
      for: purposes,
      ...all,
      writers: parts.writers.map((writer) => {
        const coordinator = parts.coordinators[writer.queue.partition]
        return { ...readinessOf(writer, parts.clock()), ...(coordinator && shownCoordinator(coordinator)) }
      }),
      projections: statuses.map(shown),
    }
  }
}

const TROUBLES: Readonly<Partial<Record<ProjectionStatus['state'], string>>> = {
  stopped: 'has stopped',
  paused: 'is paused',
  stalled: 'does not move',
  retrying: 'was refused, and tries again',
}

function troubleOf(
  name: string,
  state: ProjectionStatus['state'],
  failure: string | undefined,
): readonly string[] {
  const trouble = TROUBLES[state]
  if (trouble === undefined) return []
  return [`The projection ${name} ${trouble}${failure === undefined ? '' : `: ${withoutStop(failure)}`}.`]
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, '')
}

function shown(status: ProjectionStatus): ProjectionReadiness {
  const { name, state, lagEvents, lagSeconds, pumpAgeSeconds, failure, trend } = status
  return {
    name,
    state,
    lagEvents: String(lagEvents),
    lagSeconds,
    pumpAgeSeconds,
    pumpAlive: isPumpAlive(status),
    lagTrend: trend ?? null,
    failure: failure ?? null,
  }
}

function shownCoordinator(coordinator: Pick<Coordinator, 'status'>): Pick<WriterReadiness, 'coordinator'> {
  const { sequence, stepsSent, stepsWaiting, stepsDropped, stepsReminded } = coordinator.status()
  return {
    coordinator: { sequence: String(sequence), stepsSent, stepsWaiting, stepsDropped, stepsReminded },
  }
}

function readinessOf(writer: Writer, nowNs: bigint): WriterReadiness {
  const { state, snapshot } = writer.status()
  const { partition } = writer.queue
  if (snapshot === undefined) return { partition, state }
  const { newest, isUnderWay } = snapshot
  return {
    partition,
    state,
    snapshot:
      newest === undefined
        ? null
        : {
            sequence: String(newest.sequence),
            // After the clock was set back, the age may come out negative.
            ageSeconds: Math.max(0, Number((nowNs - newest.takenAtNs) / NS_PER_SECOND)),
            bytes: newest.bytes,
            durationMs: newest.durationMs ?? null,
          },
    snapshotUnderWay: isUnderWay,
  }
}

/**
 * The writer role: a member of the group that shares out the partitions, and a writer for each one that is its own. Writers
 * that start, die or stand still move partitions among the others; what two believe to hold at once, the log decides.
 */
import { unlessAborted } from '../../eventlog/abort.ts'
import { LogError } from '../../eventlog/errors.ts'
import { joinGroup, type Membership } from '../../eventlog/kafka/group/membership.ts'
import { OUTAGE_MS_MAX_DEFAULT } from '../../eventlog/kafka/partition/partition-link.ts'
import { requireWriteRight } from '../../eventlog/kafka/partition/write-right.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { settledPartitions } from '../../eventlog/kafka/topics/topics.ts'
import {
  PartitionSupervisor,
  type PartitionSupervisorStatus,
} from '../../writer/distributed/partition-supervisor.ts'
import type { PartitionWriterOptions } from '../../writer/distributed/partition-writer.ts'
import { StepQueues } from '../../writer/distributed/step-queues.ts'
import { openFolderStore } from '../../writer/snapshot-store/folder-store.ts'
import { openS3Store } from '../../writer/snapshot-store/s3-store.ts'
import { SnapshotStoreError, type SnapshotStore } from '../../writer/snapshot-store/snapshot-store.ts'
import type { SnapshotsConfig } from '../configuration/config.ts'
import type { PlatformError } from '../errors.ts'
import { DOOR_DEFAULTS, type WithDefaults } from '../defaults.ts'
import { failureOf, startAsPlatform } from '../known-errors.ts'
import type { RoleStatus, RunningRole } from './role.ts'

export interface WriterRoleOptions extends Pick<
  PartitionWriterOptions,
  'core' | 'onDurable' | 'outageMsMax'
> {
  readonly kafka: KafkaSettings
  /** Where snapshots go that all writers share. */
  readonly snapshots: SnapshotsConfig
  /** Holds snapshots of this machine; no other process works on it. */
  readonly scratchDir: string
  /** Takes a line for the operator. */
  readonly log: (line: string) => void
  readonly snapshotRule?: PartitionWriterOptions['snapshots']
  /** Ends a start that is under way: it rejects with the signal's reason, and nothing is left running. */
  readonly signal?: AbortSignal | undefined
  /** A writer that is silent for so long is replaced. Default: as in membership.ts. */
  readonly sessionTimeoutMs?: number
}

export interface WriterRole extends RunningRole {
  /** A partition's supervisor, whether it is held or not; undefined if it never was. */
  supervisor(partition: number): PartitionSupervisor | undefined
}

/** How long the start waits for the store's first answer. */
const STORE_ANSWER_MS_MAX = 5_000

/**
 * Joins the group and returns when it has shared out the partitions. They are served soon after: the status says when.
 * @throws PlatformError `kafka_unreachable`, `kafka_refused`, `kafka_untrusted`, `partitions_differ`, `snapshot_store_refused`
 *   …; the signal's reason when it aborts
 */
export function startWriterRole(options: WithDefaults<WriterRoleOptions>): Promise<WriterRole> {
  return startAsPlatform(() => start({ log: DOOR_DEFAULTS.log, ...options }), options.signal)
}

async function start(options: WriterRoleOptions): Promise<WriterRole> {
  const role = new Role(options)
  try {
    await role.join()
    return role
  } catch (error) {
    await role.stop()
    throw error
  }
}

class Role implements WriterRole {
  readonly failed: Promise<PlatformError>
  #onFailed: (error: PlatformError) => void = () => undefined
  readonly #options: WriterRoleOptions
  readonly #store: SnapshotStore
  /** With several partitions only. */
  #stepQueues: StepQueues | undefined
  readonly #supervisors = new Map<number, PartitionSupervisor>()
  #assigned: ReadonlySet<number> = new Set()
  #membership: Membership | undefined
  /** Of the deployment. */
  #partitions = 0
  #failure: string | undefined
  #stopping: Promise<void> | undefined

  constructor(options: WriterRoleOptions) {
    this.#options = options
    this.#store = openStore(options.snapshots)
    this.failed = new Promise((resolve) => {
      this.#onFailed = resolve
    })
  }

  async join(): Promise<void> {
    const { kafka, log, sessionTimeoutMs, outageMsMax, signal } = this.#options
    const [partitions] = await Promise.all([
      settledPartitions(kafka, log, { outageMsMax: outageMsMax ?? OUTAGE_MS_MAX_DEFAULT, signal }),
      unlessAborted(signal, () => this.#askStore()),
    ])
    this.#partitions = partitions
    if (partitions > 1) await this.#openStepQueues()
    this.#membership = await joinGroup(kafka, {
      groupId: `${kafka.topicPrefix}.writers`,
      topic: topicNames(kafka).commands,
      partitions: this.#partitions,
      signsOfLife: { standbyTopic: topicNames(kafka).events, partitions: this.#partitions },
      onAssigned: (partitions) => this.#assign(partitions),
      onFailure: (error) => this.#fail(error),
      log,
      signal,
      ...(sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }),
      ...(outageMsMax === undefined ? {} : { rejoinForMs: outageMsMax }),
    })
  }

  /** With several partitions a writer sends commands as well: steps of transfers across partitions. */
  async #openStepQueues(): Promise<void> {
    const { kafka: settings, log, outageMsMax, signal } = this.#options
    const outage = outageMsMax === undefined ? {} : { outageMsMax }
    await requireWriteRight({ settings, topic: topicNames(settings).commands, partition: 0, log, ...outage }, signal) // prettier-ignore
    this.#stepQueues = new StepQueues(this.#partitions, {
      settings,
      log,
      onRefused: (error) => this.#fail(error),
    })
  }

  /**
   * One question to the store: what it refuses (no such bucket, no credentials) it would refuse for ever. One that does not
   * answer is waited for by each partition.
   */
  async #askStore(): Promise<void> {
    try {
      await this.#store.list(0, AbortSignal.timeout(STORE_ANSWER_MS_MAX))
    } catch (error) {
      if (error instanceof SnapshotStoreError && error.code === 'snapshot_store_refused') throw error
    }
  }

  supervisor(partition: number): PartitionSupervisor | undefined {
    return this.#supervisors.get(partition)
  }

  status(): RoleStatus {
    const supervisors = [...this.#assigned]
      .sort((a, b) => a - b)
      .map((partition) => this.#supervisors.get(partition)!.status())
    const reasons = supervisors.flatMap(({ partition, state, reason }) => {
      if (reason !== undefined) return [reason]
      return state === 'serving' ? [] : [`Partition ${partition} is not served yet: ${state}.`]
    })
    const ownReason = this.#failure ?? this.#membership?.outage()
    if (ownReason !== undefined) reasons.unshift(ownReason)
    return { ready: reasons.length === 0, reasons, partitions: supervisors.map(shown) }
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stopOnce())
  }

  /** Writers end first, so that whoever takes over finds their last snapshots. */
  async #stopOnce(): Promise<void> {
    await Promise.all([...this.#supervisors.values()].map((supervisor) => supervisor.release()))
    this.#stepQueues?.close()
    await this.#membership?.leave()
    this.#store.close()
  }

  #assign(partitions: ReadonlySet<number>): void {
    if (this.#stopping !== undefined) return
    const strange = [...partitions].find((partition) => partition >= this.#partitions)
    if (strange !== undefined) {
      this.#fail(strangePartition(strange, this.#partitions))
      return
    }
    this.#assigned = partitions
    for (const [partition, supervisor] of this.#supervisors)
      if (!partitions.has(partition)) void supervisor.release()
    for (const partition of partitions) this.#supervisorFor(partition).hold()
  }

  #supervisorFor(partition: number): PartitionSupervisor {
    const {
      kafka: settings,
      scratchDir,
      log,
      core,
      snapshotRule: snapshots,
      onDurable,
      outageMsMax,
    } = this.#options
    const known = this.#supervisors.get(partition)
    if (known !== undefined) return known
    const supervisor = new PartitionSupervisor({
      settings,
      partition,
      partitions: this.#partitions,
      scratchDir,
      store: this.#store,
      log,
      confirmed: () => this.#membership?.confirmed() ?? Promise.resolve(),
      onBroken: (error) => this.#fail(error),
      ...(this.#stepQueues === undefined ? {} : { stepQueues: this.#stepQueues.all }),
      ...(onDurable === undefined ? {} : { onDurable }),
      ...(outageMsMax === undefined ? {} : { outageMsMax }),
      ...(core === undefined ? {} : { core }),
      ...(snapshots === undefined ? {} : { snapshots }),
    })
    this.#supervisors.set(partition, supervisor)
    return supervisor
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error.message
    this.#onFailed(failureOf(error, 'writer_failed'))
  }
}

function openStore(setting: SnapshotsConfig): SnapshotStore {
  if (setting.kind === 'folder') return openFolderStore(setting.folder)
  const { bucket, prefix, endpoint, region, pathStyle } = setting
  return openS3Store({
    bucket,
    prefix,
    pathStyle,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
  })
}

/** Only before the first frame: later, whoever shares out knows the number from the log. */
function strangePartition(partition: number, partitions: number): LogError {
  return new LogError(
    'partitions_differ',
    `The group gives this writer partition ${partition}, but there were ${partitions} partitions when it started: topics were altered ` +
      'before anything was written to them. Start the writer again.',
  )
}

/** What an operator sees of a partition. */
function shown(status: PartitionSupervisorStatus): object {
  const { partition, state, reason, writer, coordinator, recordsBehind } = status
  if (writer === undefined) return { partition, state, reason }
  const {
    epoch,
    sequence,
    accounts,
    holdsOpen,
    recordsSkipped,
    commandsPassedOver,
    recordsDeleted,
    voids,
    snapshot,
  } = writer
  const {
    sequence: snapshotSequence,
    takenAtNs,
    bytes,
    publishedSequence,
    publishFailure,
    isUnderWay,
  } = snapshot
  const ageSeconds = Math.max(0, Math.round(Date.now() / 1_000 - Number(takenAtNs / 1_000_000_000n)))
  return {
    partition,
    state,
    reason,
    epoch,
    sequence,
    accounts,
    holdsOpen,
    recordsBehind: recordsBehind ?? null,
    recordsSkipped,
    commandsPassedOver,
    recordsDeleted,
    framesVoid: voids,
    snapshot:
      snapshotSequence === 0n
        ? null
        : { sequence: snapshotSequence, ageSeconds, bytes, publishedSequence, publishFailure },
    snapshotUnderWay: isUnderWay,
    ...(coordinator === undefined ? {} : { coordinator }),
  }
}

/** Deployments on disk for tests of repartitioning, and an independent look at what their logs come to. */
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { readFramesSync } from '../../eventlog/file/read/reader.ts'
import { openLog } from '../../eventlog/file/recovery/open-log.ts'
import { seal } from '../../eventlog/handoff/seal.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { isTransitAccountId } from '../../schemas/crossing.ts'
import { decodeEvents, type Side, type WalletEvent } from '../../schemas/events.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import { formatId } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { Deployment } from '../core/crossing/crossing.testing.ts'
import type { CoreOptions } from '../core/core.ts'
import { repartition, type Repartitioned, type RepartitionOptions } from './repartition.ts'

/** A deployment whose cores are those of its logs. */
export class World {
  readonly deployment: Deployment
  readonly dir: string
  readonly partitions: number
  private readonly written: number[]

  constructor(dir: string, partitions: number, options: Partial<CoreOptions> = {}) {
    this.dir = dir
    this.partitions = partitions
    this.deployment = new Deployment(partitions, options)
    this.written = this.deployment.harnesses.map(() => 0)
    for (const [partition, events] of eventsIn(dir, partitions).entries()) {
      const { core } = this.deployment.harnesses[partition]!
      for (const frame of readFramesSync(nodeDisk, dir, partition, 1n)) core.apply(frame.payload)
      this.deployment.events[partition]!.push(...events)
    }
    const latest = this.deployment.harnesses.map(({ core }) => core.recordedAtNs()).reduce((one, other) => (one > other ? one : other)) // prettier-ignore
    for (const harness of this.deployment.harnesses)
      if (latest >= harness.nowNs) harness.nowNs = latest + 1_000_000n
  }

  /** Writes what happened since the last time to the logs, as a writer that is stopped behind it. */
  save(): void {
    for (const [partition, { payloads }] of this.deployment.harnesses.entries()) {
      const { appender } = openLog(nodeDisk, this.dir, { partition })
      const events = payloads.slice(this.written[partition]).filter((payload) => payload.length > 0)
      this.written[partition] = payloads.length
      for (const payload of [new Uint8Array(0), ...events]) {
        const head = appender.head()
        const content = { schemaVersion: 1, epoch: head.epoch === 0n ? 1n : head.epoch, timeNs: 0n, nextCommandOffset: 0n, nextCommandIndex: 0, payload } // prettier-ignore
        const firstSequence = head.sequence + 1n
        appender.append(seal({ ...content, firstSequence, count: decodeEvents(payload).length }, head, appender.durable().sequence)) // prettier-ignore
      }
      appender.sync()
      appender.close()
    }
  }
}

/**
 * Sends commands as a door does: it claims their ids at their homes before it hands them on. Returns the events that came of
 * them alone; undefined: an id is in use elsewhere, and nothing was handed on.
 */
export function sendByDoor(
  world: World,
  to: number,
  commands: readonly Command[],
): WalletEvent[] | undefined {
  const { deployment, partitions } = world
  for (const { id } of commands) {
    const home = partitionOf(id, partitions)
    if (home === to) continue
    const claim: Command = { kind: 'ClaimId', id, code: to }
    deployment.submit(home, [claim])
    const known = deployment.events[home]!.find(({ kind, transferId }) => kind === 'IdClaimed' && transferId.low === id.low && transferId.high === id.high) // prettier-ignore
    if (known?.fingerprint !== fingerprintOf(encodeCommands([claim]))) return undefined
  }
  return deployment.submit(to, commands)
}

export function eventsIn(dir: string, partitions: number): WalletEvent[][] {
  return Array.from({ length: partitions }, (_, partition) =>
    [...readFramesSync(nodeDisk, dir, partition, 1n)].flatMap(({ payload }) => decodeEvents(payload)),
  )
}

export function runToEnd(
  from: string,
  partitions: number,
  to: string,
  toPartitions: number,
  more: Pick<RepartitionOptions, 'idsPerGeneration'> = {},
): Repartitioned {
  const running = repartition({ from, partitions, to, toPartitions, ...more })
  for (;;) {
    const step = running.next()
    if (step.done === true) return step.value
  }
}

/** One entry of an account's history, as whoever reads it sees it; times aside. */
export type Entry = Omit<Side, 'number'> & {
  readonly amount: bigint
  readonly transferId: string
  readonly relatedId: string
  readonly reference: string
  readonly memo: string
  readonly code: number
  readonly receivedAtNs: bigint
}

export interface Told {
  readonly fingerprint: bigint
  readonly refusal: string | undefined
  readonly command: string
  readonly amount: bigint
  readonly partition: number
}

export interface Claimed {
  readonly home: number
  readonly partition: number
  readonly fingerprint: bigint
}

/** What logs say: entries of each account, the outcome of each id, money in transit. Reads events, and knows no core. */
export interface Books {
  readonly entries: Map<string, Entry[]>
  readonly times: Map<string, bigint[]>
  readonly told: Map<string, Told>
  /** Partitions that ids are claimed for, by id; a claim says its home's. */
  readonly claims: Map<string, Claimed>
  readonly inTransit: bigint
}

const BEGINS: readonly string[] = ['TransferReserved', 'TransferDebited', 'HoldReserved', 'HoldDrawn']
const BEHIND =
  /^(Transfer(Reserved|Confirmed|Cancelled|Debited|Recalled|Compensated|Completed|Reminded)|Cancel.*|Credit.*|TransferCredited|StepAnswered|Hold(Confirmed|Released)|ReleaseCompleted)$/

export function booksOf(dir: string, partitions: number): Books {
  const entries = new Map<string, Entry[]>()
  const times = new Map<string, bigint[]>()
  const told = new Map<string, Told>()
  const claims = new Map<string, Claimed>()
  let inTransit = 0n
  for (const events of eventsIn(dir, partitions)) {
    const ids = new Map<number, string>()
    const transit = new Set<number>()
    const last = new Map<number, Side>()
    for (const event of events) {
      const { kind, command, debit, credit, refusal } = event
      const id = formatId(event.transferId)
      if (kind === 'AccountOpened') {
        ids.set(debit.number, formatId(event.relatedId))
        if (isTransitAccountId(event.relatedId)) transit.add(debit.number)
      }
      for (const side of refusal === undefined ? [debit, credit] : []) {
        if (side.number === 0) continue
        last.set(side.number, side)
        if (transit.has(side.number)) continue
        const account = ids.get(side.number)!
        const { number: _, ...totals } = side
        const { amount, memo, code, receivedAtNs } = event
        const [relatedId, reference] = [formatId(event.relatedId), formatId(event.reference)]
        entries.set(account, [...(entries.get(account) ?? []), { ...totals, amount, transferId: id, relatedId, reference, memo, code, receivedAtNs }]) // prettier-ignore
        times.set(account, [...(times.get(account) ?? []), event.recordedAtNs])
      }
      if (kind === 'IdClaimed') {
        if (claims.has(id) || told.get(id)?.partition === event.partition)
          throw new Error(`the id ${id} is claimed where it was in use`)
        claims.set(id, { home: event.partition, partition: event.code, fingerprint: event.fingerprint })
        continue
      }
      const isOfClient =
        BEGINS.includes(kind) ||
        (kind === 'HoldReleased' && command === 'VoidHold') ||
        (!BEHIND.test(kind) && command !== 'ExpireHold' && command !== 'TimeStep')
      if (!isOfClient) continue
      if (told.has(id) || claims.get(id)?.home === event.partition)
        throw new Error(`the id ${id} has two outcomes`)
      told.set(id, { fingerprint: event.fingerprint, refusal, command, amount: event.amount, partition: event.partition }) // prettier-ignore
    }
    for (const number of transit)
      inTransit += last.get(number)!.creditsPosted - last.get(number)!.debitsPosted
  }
  return { entries, times, told, claims, inTransit }
}

/** A log of another number of partitions, made of an old one: survey, move, prove. Which folders, and when they are whole, the platform says. */
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { readFramesAhead } from '../../eventlog/file/read/read-ahead.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { applyFrames } from '../recovery/load-state.ts'
import { createCore } from '../core/core.ts'
import { ClaimsProof } from './claims.ts'
import { RowMover, type Moved } from './move-rows.ts'
import { NewLog, type Clock } from './new-log.ts'
import { nextOf, OldLog } from './old-log.ts'
import { addAccounts, emptySums, survey } from './survey.ts'

export interface RepartitionOptions {
  /** The old data folder, on which nothing runs. Only read. */
  readonly from: string
  readonly partitions: number
  /** The folder that the new logs go to, which has none. */
  readonly to: string
  readonly toPartitions: number
  /** How many ids the old writers remember. Default: as a core does. */
  readonly idsPerGeneration?: number
}

export interface Repartitioned extends Moved {
  /** Where each old log ends, and each new one. */
  readonly from: readonly LogHead[]
  readonly to: readonly LogHead[]
  readonly accounts: number
  readonly holdsOpen: number
}

/** How far it is: events read, of all that are read three times. */
export interface Progress {
  readonly done: bigint
  readonly goal: bigint
}

/** Events between two steps of the generator. */
const EVENTS_PER_STEP = 4_096

/**
 * Makes the new logs, a piece at each step. The same old logs give the same bytes.
 * @throws RepartitionRefusedError, before anything is written unless two scales meet; LogError; CoreBrokenError if the new
 *   logs did not come to what the old ones do
 */
export function* repartition(options: RepartitionOptions): Generator<Progress, Repartitioned, undefined> {
  const { from, partitions, to, toPartitions, idsPerGeneration } = options
  const surveying = survey(from, partitions, toPartitions, idsPerGeneration)
  let step = surveying.next()
  for (; step.done !== true; step = surveying.next()) yield { done: step.value, goal: 0n }
  const { heads, events, beganNs, sums, horizonMs, named } = step.value

  const clock: Clock = { ns: 0n }
  const news = Array.from(
    { length: toPartitions },
    (_, partition) => new NewLog(to, partition, toPartitions, clock, beganNs),
  )
  const mover = new RowMover(news, named)
  const ends: LogHead[] = []
  try {
    const olds = heads.map(
      (head, partition) =>
        new OldLog(partition, partitions, readFramesAhead(nodeDisk, from, partition, 1n, head)),
    )
    let moved = 0
    // A linked group is one thing: nothing of another partition comes into it.
    for (let old = nextOf(olds); old !== undefined; old = old.isWithinGroup ? old : nextOf(olds)) {
      mover.move(old)
      old.next()
      if (++moved % EVENTS_PER_STEP === 0) yield { done: events + BigInt(moved), goal: events * 3n }
    }
    for (const log of news) {
      // With more partitions each remembers more: who was told that an id has expired was told the truth.
      if (horizonMs >= 0) log.forgetIds(horizonMs)
      ends.push(log.finish())
    }
  } catch (error) {
    for (const log of news) log.abandon()
    throw error
  }

  const proved = emptySums()
  const claims = new ClaimsProof(toPartitions)
  for (const head of ends) {
    const core = createCore({ partition: head.partition })
    applyFrames(core, claims.watch(head.partition, readFramesAhead(nodeDisk, to, head.partition, 1n, head)))
    addAccounts(proved, core)
    for (const [currency, sum] of core.trialBalance())
      if (sum !== 0n)
        throw new Error(`${currency} of the new partition ${head.partition} sums to ${sum}, not to zero`)
    yield { done: events * 2n + (events * BigInt(head.partition + 1)) / BigInt(toPartitions), goal: events * 3n }
  }
  claims.check()
  if (proved.accounts !== sums.accounts || proved.digest !== sums.digest || proved.holdsOpen !== sums.holdsOpen)
    throw new Error('the accounts of the new logs are not those of the old ones')
  const { events: taken, split, leftOut } = mover
  return { from: heads, to: ends, accounts: sums.accounts, holdsOpen: sums.holdsOpen, events: taken, split, leftOut }
} // prettier-ignore

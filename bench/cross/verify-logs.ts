/**
 * Reads the logs of all partitions from their first events after a benchmark: every event is applied to an empty core, every
 * transfer ends once, and nothing is left in transit.
 */
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { readFramesAhead } from '../../eventlog/file/read/read-ahead.ts'
import { createCore } from '../../writer/core/core.ts'
import { SerialSet } from '../serial-set.ts'
import { endsIn, timedOutIn } from './ends.ts'

export interface LogsCount {
  readonly accepted: number
  readonly refused: number
  /** Refused because the other side did not answer in time. */
  readonly timedOut: number
  /** Of each currency, over all partitions. */
  readonly trialBalance: ReadonlyMap<string, bigint>
}

/**
 * @param told transfers of which was told that they have ended
 * @throws Error if one ended twice, or was told of and did not end, or the other way round
 */
export function verifyLogs(dataDir: string, partitions: number, told: SerialSet): LogsCount {
  const ended = new SerialSet()
  let refused = 0
  let timedOut = 0
  const trialBalance = new Map<string, bigint>()
  for (let partition = 0; partition < partitions; partition++) {
    const core = createCore({ partition, partitions })
    for (const frame of readFramesAhead(nodeDisk, dataDir, partition, 1n)) {
      if (frame.count === 0) continue
      core.apply(frame.payload)
      timedOut += timedOutIn(frame)
      endsIn(frame, (serial, isRefused) => {
        if (!ended.add(serial)) throw new Error(`transfer ${serial} has ended twice`)
        if (isRefused) refused += 1
      })
    }
    for (const [currency, sum] of core.trialBalance())
      trialBalance.set(currency, (trialBalance.get(currency) ?? 0n) + sum)
  }
  const differing = ended.differsFrom(told)
  if (differing !== undefined)
    throw new Error(`transfer ${differing} was told of and did not end, or the other way round`)
  return { accepted: ended.count() - refused, refused, timedOut, trialBalance }
}

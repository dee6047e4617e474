/** A log, read again from zero: where what it gives is kept for the time of a proof, and how it comes in. */
import { randomBytes } from 'node:crypto'
import type { EventLog } from '../../eventlog/ports.ts'
import { lastSequence } from '../../schemas/frames.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { noCheckpoint } from '../runtime/checkpoints.ts'
import { ChainProof } from '../runtime/lanes/chain.ts'
import { RangeBuffer, type Range } from '../runtime/lanes/range.ts'

const RANGE = { rangeEventsMax: 262_144, rangeBytesMax: 96 * 1024 * 1024 }
const DATABASE_PREFIX = 'purser_replay_'
/** Databases that a killed proof left are removed by a later one when they are this old. */
const LEFT_OVER_MS = 24 * 60 * 60 * 1_000

/** Does a piece of work with a database of its own, which is removed in the end. */
export async function withReplayDatabase<Value>(
  store: ViewStore,
  work: (database: string) => Promise<Value>,
): Promise<Value> {
  await removeLeftOvers(store)
  const database = `${DATABASE_PREFIX}${Date.now()}_${randomBytes(4).toString('hex')}`
  await store.command(`CREATE DATABASE ${database} ENGINE = Atomic`)
  try {
    return await work(database)
  } finally {
    await store.command(`DROP DATABASE IF EXISTS ${database} SYNC`)
  }
}

/**
 * Reads a log from its first event to the frame that ends with `upTo`, range by range.
 * @throws BrokenChainError if the log itself has a gap; RangeError if it ends before `upTo`
 */
export async function replayRanges(
  { log, upTo }: { readonly log: EventLog; readonly upTo: bigint },
  write: (range: Range) => Promise<void>,
): Promise<void> {
  const chain = new ChainProof(noCheckpoint(log.partition))
  const buffer = new RangeBuffer(RANGE)
  let sequence = 0n
  const flush = async (): Promise<void> => {
    const range = buffer.take()
    if (range !== undefined) await write(range)
  }
  for await (const frame of upTo === 0n ? [] : log.read(1n)) {
    if (!chain.continues(frame) || frame.count === 0) continue
    if (!buffer.hasRoom(frame)) await flush()
    buffer.push(frame, 0)
    sequence = lastSequence(frame)
    if (sequence >= upTo) break
  }
  await flush()
  if (sequence < upTo) throw new RangeError(`the log ends at ${sequence}, before ${upTo}`)
}

async function removeLeftOvers(store: ViewStore): Promise<void> {
  const databases = await store.query<{ name: string }>(
    `SELECT name FROM system.databases WHERE startsWith(name, {prefix:String})`,
    { prefix: DATABASE_PREFIX },
  )
  for (const { name } of databases) {
    const madeMs = Number(/^purser_replay_(\d{13})_[0-9a-f]{8}$/.exec(name)?.[1] ?? NaN)
    if (Date.now() - madeMs > LEFT_OVER_MS) await store.command(`DROP DATABASE IF EXISTS ${name} SYNC`)
  }
}

/** The feed: reads the tail of every partition's log once, and hands its frames to all listeners. */
import { LogError } from '../../eventlog/errors.ts'
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import type { Position } from '../../schemas/positions.ts'

/** Gets every accepted, durable frame of a partition, in order. */
export interface FrameListener {
  /** Must not throw and must not wait. */
  onFrame(frame: Frame): void
}

export interface Feed {
  /** Last sequence of a partition that the listeners have seen. */
  sequence(partition: number): bigint
  /**
   * The same for all partitions. Those whose log is corrupt are left out: views may never hold what was last seen of
   * them.
   */
  position(): Position
  /**
   * Why a partition is no longer followed; undefined: it is. Whatever lives on the feed is then out of date. Default:
   * any partition.
   */
  failure(partition?: number): string | undefined
  stop(): Promise<void>
}

/**
 * Tails the logs from their heads on. If a log ends or breaks, the feed of its partition ends and `onFailure` is called
 * once.
 * @param listenersOf the listeners of a partition, in the order in which they get each frame
 */
export function startFeed(
  logs: readonly EventLog[],
  listenersOf: (partition: number) => readonly FrameListener[],
  onFailure: (partition: number, reason: string) => void,
): Feed {
  const stopping = new AbortController()
  const sequences = new Map<number, bigint>()
  const failures = new Map<number, string>()
  const corrupt = new Set<number>()

  const fail = (partition: number, reason: string): void => {
    if (stopping.signal.aborted) return
    failures.set(partition, reason)
    onFailure(partition, reason)
  }
  const follow = async (log: EventLog, from: bigint): Promise<void> => {
    const listeners = listenersOf(log.partition)
    try {
      for await (const frame of log.tail(from, stopping.signal)) {
        for (const listener of listeners) listener.onFrame(frame)
        sequences.set(log.partition, lastSequence(frame))
      }
      fail(log.partition, `The log of partition ${log.partition} has ended.`)
    } catch (error) {
      if (error instanceof LogError && error.code === 'log_corrupt') corrupt.add(log.partition)
      fail(log.partition, `The log of partition ${log.partition} cannot be read: ${messageOf(error)}`)
    }
  }
  const followers = logs.map((log) => {
    const head = log.head()
    sequences.set(log.partition, head.sequence)
    return follow(log, head.sequence + 1n)
  })

  return {
    sequence: (partition) => sequences.get(partition) ?? 0n,
    position: () => new Map([...sequences].filter(([partition]) => !corrupt.has(partition))),
    failure: (partition) => (partition === undefined ? [...failures.values()][0] : failures.get(partition)),
    stop: async () => {
      stopping.abort()
      await Promise.all(followers)
    },
  }
}

/**
 * What a process keeps of frames in memory, shared out evenly among its partitions: it does not grow with their number. The
 * newest frame of a partition is kept whatever its size, so a part is never smaller than the largest frame.
 */
import { FRAME_BYTES_MAX } from '../schemas/limits.ts'

export interface FrameBudget {
  /** Bytes that all partitions of a process have together. */
  readonly processBytes: number
  /** Bytes of one partition, at most: more is of no use to it. */
  readonly partitionBytesMax: number
  /** Bytes of one partition, at least. */
  readonly partitionBytesMin: number
}

/** As much as four partitions can use; from 64 on, each has room for one largest frame. */
const FRAME_BUDGET: FrameBudget = {
  processBytes: 256 * 1024 * 1024,
  partitionBytesMax: 64 * 1024 * 1024,
  partitionBytesMin: FRAME_BYTES_MAX,
}

/** Bytes of frames that may be kept for each of so many partitions. */
export function frameBytesOf(partitions: number, budget: FrameBudget = FRAME_BUDGET): number {
  const { processBytes, partitionBytesMax, partitionBytesMin } = budget
  return Math.min(partitionBytesMax, Math.max(partitionBytesMin, Math.floor(processBytes / partitions)))
}

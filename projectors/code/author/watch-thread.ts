/**
 * The watch of a projection's process: a thread beside the one that an author's functions hold. It ends the process when
 * they do not come back or take too much memory, and says at which event; and when the process that started it is gone.
 */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { LAST_WORDS_FD, type LastWords, type ProcessLimits } from './process-messages.ts'
import { Progress } from './progress.ts'

/** How often it looks, in ms. */
const LOOK_MS = 100
/** Beside what its functions may take: the program, and the range on its way in and out. */
const OWN_MIB = 384

export interface WatchStart {
  readonly progress: SharedArrayBuffer
  readonly limits: ProcessLimits
}

const { progress: shared, limits } = workerData as WatchStart
const progress = new Progress(shared)
const parent = process.ppid
let beats = -1
// Looks are counted and no clock is read: a process that is stopped and goes on has not been at its event all that time.
let looks = 0

setInterval(() => {
  if (process.ppid !== parent) end({})
  const { sequence } = progress
  if (sequence === undefined) return
  if (process.memoryUsage.rss() > (limits.memoryMiBMax + OWN_MIB) * 1024 * 1024)
    end({ sequence: String(sequence), why: 'memory' })
  looks = progress.beats === beats ? looks + 1 : 0
  beats = progress.beats
  if (looks * LOOK_MS >= limits.secondsPerEventMax * 1_000) end({ sequence: String(sequence), why: 'stuck' })
}, LOOK_MS)

function end(words: LastWords): void {
  if (words.why !== undefined) writeSync(LAST_WORDS_FD, `${JSON.stringify(words)}\n`)
  process.kill(process.pid, 'SIGKILL')
}

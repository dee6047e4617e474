import { expect, it } from 'vitest'
import type { EventLog } from '../../../eventlog/ports.ts'
import { EVENT_ROW_BYTES } from '../../../schemas/limits.ts'
import type { Frame } from '../../../schemas/frames.ts'
import { noCheckpoint } from '../checkpoints.ts'
import type { Clock } from '../ports.ts'
import { systemClock } from '../system-clock.ts'
import { Pump } from './pump.ts'

const FRAMES = 8
const ROWS = 1_024
/** What a throttled pump reads between two breaths, in frames. */
const FRAMES_PER_BREATH = Math.ceil((512 * 1024) / (ROWS * EVENT_ROW_BYTES))
const BREATH_MS = 5

function hash(of: number): Uint8Array {
  return new Uint8Array(32).fill(of)
}

function frame(index: number): Frame {
  const payload = new Uint8Array(ROWS * EVENT_ROW_BYTES)
  const firstSequence = BigInt(index * ROWS + 1)
  return { partition: 0, firstSequence, count: ROWS, payload, hash: hash(index + 1), previousHash: hash(index), timeNs: 1n } as Frame
} // prettier-ignore

/** A log that has all of it at once, and then nothing more. */
function fullLog(): EventLog {
  const sequence = BigInt(FRAMES * ROWS)
  return {
    partition: 0,
    endSequence: () => sequence,
    currentHead: () => Promise.resolve({ sequence }),
    logOffsetOf: () => undefined,
    async *tail(_from: bigint, signal: AbortSignal) {
      for (let index = 0; index < FRAMES; index++) yield frame(index)
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  } as unknown as EventLog
}

it.each([
  ['a throttled one leaves the thread to others after each half a MiB', 0.5, Math.floor(FRAMES / FRAMES_PER_BREATH)],
  ['one that is not reads on', 1, 0],
])('while it is behind, %s', async (_what, share, breaths) => {
  const sleeps: number[] = []
  const clock: Clock = {
    ...systemClock,
    after: (ms, then) => {
      sleeps.push(ms)
      return systemClock.after(ms, then)
    },
  }
  const pump = new Pump({
    log: fullLog(),
    from: noCheckpoint(0),
    clock,
    share,
    rangeEventsMax: FRAMES * ROWS,
    rangeBytesMax: 1024 ** 3,
    lingerMs: 1,
    isAwaited: () => false,
    report: () => undefined,
    write: ({ checkpoint }) => Promise.resolve(checkpoint),
    settle: () => Promise.resolve(),
    look: () => Promise.resolve(),
    advanced: () => undefined,
    failed: () => undefined,
  })
  pump.start()
  await expect.poll(() => pump.checkpoint.sequence).toBe(BigInt(FRAMES * ROWS))
  await pump.stop()
  expect(sleeps.filter((ms) => ms === BREATH_MS)).toHaveLength(breaths)
}) // prettier-ignore

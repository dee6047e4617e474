import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lastSequence } from '../schemas/frames.ts'
import { runtimeEntry } from '../eventlog/runtime-entry.ts'
import { startEmbeddedWriter } from './embedded.ts'
import { replayLog } from './recovery/replay-log.ts'
import { openAccount, perform, readAll } from '../test/support/commands.ts'

const child = runtimeEntry(new URL('../test/support/loaded-writer.ts', import.meta.url))

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(path.join(os.tmpdir(), 'purser-kill-'))
})
afterEach(() => {
  rmSync(dataDir, { recursive: true })
})

interface Ended {
  readonly code: number | null
  /** Frames seen durable: last sequence and hash of each. */
  readonly seen: readonly string[]
  readonly errors: string
}

/** Runs the loaded writer, until it ends by itself or has said `kills` frames and some milliseconds have passed. */
async function runChild(
  command: string,
  args: readonly string[],
  framesMin = Infinity,
  waitMs = 0,
): Promise<Ended> {
  const process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  let frames = 0
  process.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    const before = frames
    frames += text.split('\n').length - 1
    if (before < framesMin && frames >= framesMin) setTimeout(() => process.kill('SIGKILL'), waitMs)
  })
  process.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const code = await new Promise<number | null>((resolve) => process.once('close', resolve))
  // A last line that was cut off was not said.
  return {
    code,
    errors,
    seen: output
      .slice(0, output.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(Boolean),
  }
}

/** Starts the writer where the other one left it, and checks what must hold after any end of any kind. */
async function expectWhole(seen: ReadonlySet<string>): Promise<void> {
  const writer = await startEmbeddedWriter({ dataDir })
  try {
    const frames = await readAll(writer)
    const inLog = new Set(
      frames.map((frame) => `${lastSequence(frame)} ${Buffer.from(frame.hash).toString('hex')}`),
    )
    expect([...seen].filter((frame) => !inLog.has(frame))).toEqual([])
    // It goes on: the holds left open expire, and further commands are taken.
    while (writer.status().holdsOpen > 0) await new Promise((resolve) => setTimeout(resolve, 2))
    const events = await perform(writer, [openAccount(`after ${seen.size}`)])
    expect(events.at(-1)).toMatchObject({ kind: 'AccountOpened' })
    const replay = replayLog(dataDir, 0, { until: writer.log.head() })
    expect(replay.digest).toBe(await writer.digest())
    expect([...replay.trialBalance.values()].every((sum) => sum === 0n)).toBe(true)
  } finally {
    await writer.stop()
  }
}

describe('a writer that is killed under load', () => {
  it('has every frame that was seen durable, without a gap, in the state that a replay comes to', async () => {
    const seen = new Set<string>()
    for (const [framesMin, waitMs] of [
      [1, 0],
      [20, 3],
      [60, 11],
      [150, 29],
    ] as const) {
      const ended = await runChild(process.execPath, [child, dataDir], framesMin, waitMs)
      expect(ended.errors).toBe('')
      for (const frame of ended.seen) seen.add(frame)
      await expectWhole(seen)
    }
    expect(seen.size).toBeGreaterThan(230)
  })
})

describe('a writer whose disk takes no more', () => {
  it('stops with a sentence that says what to do, and nothing that was seen durable is lost', async () => {
    // A file may grow to 6 MiB: the log's segment meets that first.
    const ended = await runChild('bash', [
      '-c',
      `ulimit -f 6144; exec "$0" "$@"`,
      process.execPath,
      child,
      dataDir,
    ])
    expect(ended.code).toBe(1)
    expect(ended.errors).toMatch(/^append failed on .*: EFBIG.*check the disk and its free space/)
    expect(ended.errors.trim().split('\n')).toHaveLength(1)
    await expectWhole(new Set(ended.seen))
  })
})

import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { root } from '../../bin/build.js'
import { lastSequence } from '../../schemas/frames.ts'
import { allFrames } from '../log-on-disk.testing.ts'
import { nodeDisk } from '../disk/disk.ts'
import { openLog } from './recovery/open-log.ts'

const built = (file: string): string => JSON.stringify(pathToFileURL(path.join(root, 'dist', file)).href)
/**
 * A writer that says which sequences are durable, on a file and only after the log said so: a sequence in that file has
 * been acknowledged.
 */
const WRITER = `
  import { appendFileSync } from 'node:fs'
  import { openFileLog } from ${built('eventlog/file/open-file-log.js')}
  import { openSlabPool } from ${built('eventlog/handoff/slabs.js')}
  const [dir, acknowledged] = process.argv.slice(2)
  const running = await openFileLog({ dir, partition: 0, segmentBytesMax: 1 << 18, idleFrameMs: 1 })
  const slabs = openSlabPool(running.slabs)
  let next = running.head.sequence + 1n
  running.corePort.on('message', (message) => {
    if (message.kind === 'durable') appendFileSync(acknowledged, message.frames.at(-1).sequence + '\\n')
  })
  process.send('up')
  function send() {
    for (let slab = slabs.claim(); slab !== undefined; slab = slabs.claim()) {
      const count = Number(next % 5n)
      const payloadBytes = Number((next * 977n) % 20000n)
      slabs.payload(slab).fill(Number(next % 251n), 0, payloadBytes)
      running.corePort.postMessage({ kind: 'frame', slab, schemaVersion: 1, epoch: 1n, firstSequence: next, count: count + 1,
        timeNs: 1n, nextCommandOffset: next, nextCommandIndex: 0, payloadBytes })
      next += BigInt(count + 1)
    }
    setTimeout(send, Number(next % 3n))
  }
  send()`

const dir = mkdtempSync(path.join(tmpdir(), 'purser-kill-'))
afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

it('a writer killed at any moment, again and again, loses nothing that it acknowledged', async () => {
  const script = path.join(dir, 'writer.mjs')
  const acknowledged = path.join(dir, 'acknowledged')
  writeFileSync(script, WRITER)
  writeFileSync(acknowledged, '')
  let before: string[] = []
  for (let life = 0; life < 15; life++) {
    const child = fork(script, [dir, acknowledged], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    await new Promise((resolve) => child.once('message', resolve))
    const sizeBefore = statSync(acknowledged).size
    while (statSync(acknowledged).size === sizeBefore) await new Promise((resolve) => setTimeout(resolve, 1))
    await new Promise((resolve) => setTimeout(resolve, (life * 7) % 40))
    child.kill('SIGKILL')
    await ended
    const { appender } = openLog(nodeDisk, dir, { partition: 0 })
    appender.close()
    const frames = allFrames(nodeDisk, dir, 0)
    // A line that the kill cut short is a shorter number: no harm.
    const newest = readFileSync(acknowledged, 'utf8')
      .trim()
      .split('\n')
      .reduce((most, line) => Math.max(most, Number(line)), 0)
    expect(Number(appender.head().sequence)).toBeGreaterThanOrEqual(newest)
    expect(lastSequence(frames.at(-1)!)).toBe(appender.head().sequence)
    const hashes = frames.map(({ hash }) => Buffer.from(hash).toString('hex'))
    expect(hashes.slice(0, before.length)).toEqual(before)
    before = hashes
  }
})

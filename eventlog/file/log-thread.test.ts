import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { EVENT_SCHEMA_VERSION } from '../../schemas/events.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { nodeDisk } from './disk.ts'
import type { FrameToSeal, LogToCore } from './log-messages.ts'
import { openFileLog, type RunningFileLog } from './open-file-log.ts'
import { readFramesSync } from './reader.ts'
import { openSlabPool } from './slabs.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})
function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'purser-log-'))
  folders.push(made)
  return made
}

/** What the core thread does, on this thread: sends frames of `count` made-up events. */
function core(running: RunningFileLog) {
  const slabs = openSlabPool(running.slabs)
  const receipts: bigint[] = []
  let next = running.head.sequence + 1n
  running.corePort.on('message', (message: LogToCore) => {
    if (message.kind === 'durable') for (const frame of message.frames) receipts.push(frame.sequence)
  })
  return {
    receipts,
    send(count: number, payload: Uint8Array, fault: Partial<FrameToSeal> = {}) {
      const slab = slabs.claim()
      if (slab === undefined) return false
      slabs.payload(slab).set(payload)
      running.corePort.postMessage({
        kind: 'frame',
        slab,
        schemaVersion: EVENT_SCHEMA_VERSION,
        epoch: 1n,
        firstSequence: next,
        count,
        timeNs: 1n,
        nextCommandOffset: next,
        nextCommandIndex: 0,
        payloadBytes: payload.length,
        ...fault,
      } satisfies FrameToSeal)
      next += BigInt(count)
      return true
    },
    stop() {
      running.corePort.postMessage({ kind: 'stop' })
    },
  }
}

it('every frame sent becomes durable, is delivered once in order, and is read again from the files', async () => {
  const dir = folder()
  const running = await openFileLog({ dir, partition: 3 })
  const writer = core(running)
  const tail: Frame[] = []
  const abort = new AbortController()
  const tailing = (async () => {
    for await (const frame of running.log.tail(1n, abort.signal)) tail.push(frame)
  })()
  for (let sent = 0; sent < 200;) {
    if (writer.send(5, new Uint8Array(1000).fill(sent))) sent++
    else await new Promise((resolve) => setImmediate(resolve))
  }
  writer.stop()
  await running.stopped
  await tailing
  expect(running.log.head().sequence).toBe(1000n)
  expect(tail.filter((frame) => frame.count > 0).map((frame) => lastSequence(frame))).toEqual(
    Array.from({ length: 200 }, (_, index) => BigInt(5 * (index + 1))),
  )
  const read = [...readFramesSync(nodeDisk, dir, 3, 1n)]
  expect(read.map((frame) => [...frame.bytes])).toEqual(tail.map((frame) => [...frame.bytes]))
  expect(read.at(-1)).toMatchObject({ count: 0, durableSequence: 1000n })
})

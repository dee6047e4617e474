import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { EVENT_SCHEMA_VERSION } from '../../schemas/events.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import type { LogError } from '../errors.ts'
import { nodeDisk } from '../disk/disk.ts'
import type { FrameToSeal, LogToCore } from '../handoff/log-messages.ts'
import { openFileLog, type RunningFileLog } from './open-file-log.ts'
import { readFramesSync } from './read/reader.ts'
import { openSlabPool } from '../handoff/slabs.ts'

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

it('frames that wait are made durable together, and the core is told of each, in order', async () => {
  const running = await openFileLog({ dir: folder(), partition: 0, idleFrameMs: 10_000 })
  const writer = core(running)
  for (let sent = 0; sent < 8; sent++) expect(writer.send(1, new Uint8Array(10))).toBe(true)
  writer.stop()
  await running.stopped
  // The last receipt is the closing mark’s. It comes over a port of its own, maybe behind the word that the log has stopped.
  await expect.poll(() => writer.receipts).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 8n])
})

it('a quiet log testifies to its last frames by one frame without events, and only one', async () => {
  const dir = folder()
  const running = await openFileLog({ dir, partition: 0, idleFrameMs: 5 })
  const writer = core(running)
  writer.send(2, new Uint8Array(10))
  await until(() => writer.receipts.length >= 2)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(writer.receipts).toEqual([2n, 2n])
  writer.stop()
  await running.stopped
  expect([...readFramesSync(nodeDisk, dir, 0, 1n)].map(({ count }) => count)).toEqual([2, 0])
})

it('a log that has been opened only is not written to', async () => {
  const dir = folder()
  const running = await openFileLog({ dir, partition: 0, idleFrameMs: 1 })
  await new Promise((resolve) => setTimeout(resolve, 30))
  core(running).stop()
  await running.stopped
  expect([...readFramesSync(nodeDisk, dir, 0, 1n)]).toEqual([])
})

it('a frame that does not continue the log stops the log thread for ever, and both sides are told', async () => {
  const dir = folder()
  const running = await openFileLog({ dir, partition: 0 })
  const failures: LogError[] = []
  running.onFailure((failure) => failures.push(failure))
  const writer = core(running)
  const coreTold = new Promise((resolve) => {
    running.corePort.on('message', (message: LogToCore) => {
      if (message.kind === 'failed') resolve(message.code)
    })
  })
  writer.send(1, new Uint8Array(10))
  await until(() => writer.receipts.length > 0)
  writer.send(1, new Uint8Array(10), { firstSequence: 7n })
  writer.send(1, new Uint8Array(10))
  await expect(running.stopped).rejects.toThrow(/does not continue the log at 1: sequence/)
  expect(await coreTold).toBe('log_broken')
  expect(failures.map(({ code }) => code)).toEqual(['log_broken'])
  expect([...readFramesSync(nodeDisk, dir, 0, 1n)].filter(({ count }) => count > 0)).toHaveLength(1)
})

it('a corrupt log is refused by the one who opens it, with its place', async () => {
  const dir = folder()
  const running = await openFileLog({ dir, partition: 0 })
  const writer = core(running)
  writer.send(1, new Uint8Array(10))
  writer.stop()
  await running.stopped
  const file = path.join(dir, 'log', '0', '00000000000000000001.seg')
  const bytes = readFileSync(file)
  bytes[4096 + 137]! ^= 1
  writeFileSync(file, bytes)
  await expect(openFileLog({ dir, partition: 0 })).rejects.toMatchObject({
    code: 'log_corrupt',
    message: expect.stringContaining('sequence 1, byte 4096 of log/0/00000000000000000001.seg') as string,
  })
  expect(readFileSync(file)).toEqual(bytes)
})

it('a start that went no further is abandoned without a failure', async () => {
  const running = await openFileLog({ dir: folder(), partition: 0 })
  const failures: LogError[] = []
  running.onFailure((failure) => failures.push(failure))
  await running.abandon()
  expect(failures).toEqual([])
})

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error('it did not come to hold within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { headAfter } from '../../eventlog/reader-rule.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { startEmbeddedWriter } from '../embedded.ts'
import { TailReplay, loadNewestState } from '../recovery/load-state.ts'
import { digestSections } from '../recovery/state-digest.ts'
import { accountId, newId, openAccount, perform, readAll, transfer } from '../../test/support/commands.ts'
import type { LogHead } from '../../eventlog/ports.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** A log, the state that its writer came to, and a snapshot that stands somewhere in the middle of it. */
async function history(): Promise<{ dataDir: string; frames: Frame[]; digest: string; head: LogHead }> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'purser-fed-'))
  folders.push(dataDir)
  const first = await startEmbeddedWriter({ dataDir })
  await perform(first, [openAccount('cash', -1n), openAccount('a'), openAccount('b')])
  await perform(first, [transfer('cash', 'a', 100n), transfer('a', 'b', 30n), transfer('b', 'a', 500n)])
  await first.stop()
  const second = await startEmbeddedWriter({ dataDir, snapshots: { everyEvents: 1_000_000 } })
  const [a, b] = [accountId('a'), accountId('b')]
  await perform(second, [
    { kind: 'PlaceHold', id: newId(), debit: a, credit: b, amount: 7n, currency: 'EUR' },
  ])
  await perform(second, [transfer('a', 'b', 1n)])
  const [frames, digest] = [await readAll(second), await second.digest()]
  cpSync(path.join(dataDir, 'snapshots'), path.join(dataDir, 'middle', 'snapshots'), { recursive: true })
  await second.stop()
  // Not the log's own: it may have closed with a mark meanwhile.
  return { dataDir, frames, digest, head: headAfter(frames.at(-1)!) }
}

test('a tail that is fed comes to the state of the writer, bit for bit, from a snapshot or from nothing', async () => {
  const { dataDir, frames, digest, head } = await history()
  for (const [folder, snapshotSequence] of [
    ['elsewhere', 0n],
    ['middle', 6n],
  ] as const) {
    const state = loadNewestState(nodeDisk, path.join(dataDir, folder), { partition: 0 })
    const tail = new TailReplay(state)
    const behind = frames.filter((frame) => lastSequence(frame) > snapshotSequence)
    for (const frame of behind) tail.apply(frame)
    expect(tail.end(head)).toEqual({ frames: behind.length, events: head.sequence - snapshotSequence })
    expect(digestSections(state.core.save())).toBe(digest)
  }
})

test('a tail that ends elsewhere than the log is refused', async () => {
  const { dataDir, frames, head } = await history()
  const state = loadNewestState(nodeDisk, path.join(dataDir, 'elsewhere'), { partition: 0 })
  const tail = new TailReplay(state)
  expect(() => tail.end(head)).toThrow('stands at sequence 0')
  for (const frame of frames) tail.apply(frame)
  expect(() => tail.end({ ...head, hash: new Uint8Array(32) })).toThrow('the log at')
  expect(() => tail.end({ ...head, sequence: head.sequence + 1n })).toThrow('the log at')
  tail.end(head)
})

test('a snapshot is at the end of the log that it was taken behind: nothing is to be fed', async () => {
  const { dataDir, head } = await history()
  const state = loadNewestState(nodeDisk, dataDir, { partition: 0 })
  const { sequence, chainHash: hash } = state.snapshot!.position
  expect(sequence).toBe(head.sequence)
  expect(new TailReplay(state).end({ ...head, hash })).toEqual({ frames: 0, events: 0n })
})

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { snapshotFile, snapshotsFolder } from '../snapshots/snapshot-folder.ts'
import { openFolderStore } from './folder-store.ts'
import { SnapshotPublisher, type SnapshotPublisherOptions } from './publisher.ts'
import { SnapshotStoreError, type SnapshotStore } from './snapshot-store.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** A store whose next publications wait for the test, or fail. */
function stage(options: Partial<SnapshotPublisherOptions> = {}) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-publisher-'))
  folders.push(folder)
  const scratchDir = path.join(folder, 'scratch')
  mkdirSync(snapshotsFolder(scratchDir, 1), { recursive: true })
  const real = openFolderStore(path.join(folder, 'store'))
  const gates: Promise<void>[] = []
  const asked: bigint[] = []
  const store: SnapshotStore = {
    ...real,
    publish: async (partition, sequence, file, kept) => {
      asked.push(sequence)
      await gates.shift()
      await real.publish(partition, sequence, file, kept)
    },
  }
  const lines: string[] = []
  const publisher = new SnapshotPublisher({
    store,
    scratchDir,
    partition: 1,
    kept: 2,
    notice: (line) => lines.push(line),
    retryMs: 5,
    ...options,
  })
  const write = (sequence: bigint): void =>
    writeFileSync(snapshotFile(scratchDir, 1, sequence), `snapshot ${sequence}`)
  const keep = (sequence: bigint): void => {
    write(sequence)
    publisher.kept(sequence)
  }
  const inStore = async (): Promise<bigint[]> => (await real.list(1)).map(({ sequence }) => sequence)
  return { publisher, keep, gates, asked, lines, inStore }
}

describe('snapshots on their way to the store', () => {
  test('while one is under way, of all that become durable only the newest follows', async () => {
    const { publisher, keep, gates, asked, inStore } = stage()
    let open: () => void = () => undefined
    gates.push(new Promise((resolve) => (open = resolve)))
    for (const sequence of [10n, 20n, 30n]) keep(sequence)
    expect(asked).toEqual([10n])
    open()
    await publisher.finish(5_000)
    expect(asked).toEqual([10n, 30n])
    expect(await inStore()).toEqual([30n, 10n])
    expect(publisher.published).toBe(30n)
  })

  test('what the store refuses is told and tried again; a newer one takes its place', async () => {
    const { publisher, keep, gates, asked, lines } = stage()
    const refusal = new SnapshotStoreError('snapshot_store_refused', 'here', new Error('not now'))
    gates.push(Promise.reject(refusal), Promise.reject(refusal))
    for (const gate of gates) gate.catch(() => undefined)
    keep(10n)
    await expect.poll(() => publisher.published).toBe(10n)
    expect(asked).toEqual([10n, 10n, 10n])
    expect(lines).toHaveLength(2)
    expect(lines[0]).toContain('The snapshot at sequence 10 of partition 1 is not in the store')
    keep(20n)
    await publisher.finish(5_000)
    expect(publisher.published).toBe(20n)
  })

  test('one whose file is gone because a newer one is kept is passed over in silence', async () => {
    const { publisher, keep, lines, inStore } = stage()
    publisher.kept(10n)
    keep(20n)
    await publisher.finish(5_000)
    expect(lines).toEqual([])
    expect(await inStore()).toEqual([20n])
  })

  test('an end waits no longer than it is told, and nothing is published after it', async () => {
    const { publisher, keep, gates, asked } = stage()
    gates.push(new Promise(() => undefined))
    keep(10n)
    await publisher.finish(20)
    keep(20n)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(asked).toEqual([10n])
  })
})

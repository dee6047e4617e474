import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { openFolderStore } from './folder-store.ts'
import { nameOfWitness, type HeadWitness } from './head-witness.ts'
import { WitnessPublisher } from './publish-witness.ts'
import type { SnapshotStore } from './snapshot-store.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function witnessOf(epoch: bigint): HeadWitness {
  return {
    partition: 1,
    epoch,
    sequence: 10n * epoch,
    logOffset: 20n * epoch,
    hash: new Uint8Array(32).fill(Number(epoch)),
  }
}

/** The writer of epoch 5, whose log holds the frames of these epochs. */
function stage(
  held: readonly bigint[],
  change: (real: SnapshotStore) => Partial<SnapshotStore> = () => ({}),
) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-witness-'))
  folders.push(folder)
  const real = openFolderStore(folder)
  const over = new AbortController()
  const lines: string[] = []
  const publisher = new WitnessPublisher(witnessOf(5n), {
    store: { ...real, ...change(real) },
    requireHeld: async ({ epoch }) => {
      if (!held.includes(epoch)) throw new Error(`epoch ${epoch} is missing`)
    },
    notice: (line) => lines.push(line),
    signal: over.signal,
    retryMs: 5,
  })
  return { folder, real, over, lines, publisher, known: async () => (await real.readWitness(1))?.epoch }
}

describe('a witness on its way to the store', () => {
  test('takes the place of one that the log still holds', async () => {
    const { real, publisher, known } = stage([4n])
    await real.writeWitness(witnessOf(4n))
    await publisher.published()
    expect(await known()).toBe(5n)
  })

  test('leaves that of a later writer, which the log holds too', async () => {
    const { real, publisher, known } = stage([6n])
    await real.writeWitness(witnessOf(6n))
    await publisher.published()
    expect(await known()).toBe(6n)
  })

  test.each([4n, 6n])('never takes the place of one that the log does not hold (epoch %i)', async (epoch) => {
    const { real, publisher, known } = stage([])
    await real.writeWitness(witnessOf(epoch))
    await expect(publisher.published()).rejects.toThrow(`epoch ${epoch} is missing`)
    await expect(publisher.published()).rejects.toThrow(`epoch ${epoch} is missing`)
    expect(await known()).toBe(epoch)
  })

  test('leaves one that is damaged, says what to do with it, and goes on when that is done', async () => {
    const { folder, publisher, lines, known } = stage([])
    const file = path.join(folder, nameOfWitness(1))
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, 'damaged')
    const trying = publisher.keepTrying()
    await expect.poll(() => lines.length).toBeGreaterThan(1)
    expect(lines[0]).toContain(
      '1/head.json is not what was written; once you know that the topic is whole, remove',
    )
    await expect(known()).rejects.toMatchObject({ code: 'snapshot_store_damaged' })
    rmSync(file)
    await trying
    expect(await known()).toBe(5n)
  })

  test('looks at what is there as soon as the store answers', async () => {
    let isAway = true
    const { real, publisher, known, lines, over } = stage([], (store) => ({
      readWitness: (partition, signal) =>
        isAway ? Promise.reject(new Error('away')) : store.readWitness(partition, signal),
    }))
    await real.writeWitness(witnessOf(4n))
    const trying = publisher.keepTrying()
    await expect.poll(() => lines.length).toBeGreaterThan(1)
    isAway = false
    await expect.poll(() => lines.at(-1)).toContain('epoch 4 is missing')
    expect(await known()).toBe(4n)
    over.abort()
    await trying
  })
})

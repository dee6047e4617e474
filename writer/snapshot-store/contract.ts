/** The contract of SnapshotStore, as tests: run against every implementation. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HeadWitness } from './head-witness.ts'
import type { SnapshotStore } from './snapshot-store.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** Bytes that repeat nowhere near, the same for the same name. */
function bytesOf(name: string, length: number): Buffer {
  const block = createHash('sha512').update(name).digest()
  const bytes = Buffer.alloc(length)
  for (let at = 0, number = 0; at < length; at += block.length, number++) {
    block.writeUInt32LE(number, 0)
    block.copy(bytes, at)
  }
  return bytes
}

/**
 * @param open an empty store
 * @param strange puts something under a name that is no snapshot's, relative to the store's own place
 */
export function describeSnapshotStore(
  name: string,
  open: () => Promise<{ store: SnapshotStore; strange: (name: string) => Promise<void> }>,
): void {
  describe(`${name} keeps the contract of SnapshotStore`, () => {
    let store: SnapshotStore
    let strange: (name: string) => Promise<void>
    let scratch: string
    beforeEach(async () => {
      scratch = await mkdtemp(path.join(os.tmpdir(), 'purser-scratch-'))
      ;({ store, strange } = await open())
    })
    afterEach(async () => {
      store.close()
      await rm(scratch, { recursive: true })
    })

    async function publish(partition: number, sequence: bigint, bytes: Buffer, kept = 10): Promise<void> {
      const file = path.join(scratch, 'out')
      await writeFile(file, bytes)
      await store.publish(partition, sequence, file, kept)
    }
    async function fetched(partition: number, sequence: bigint): Promise<Buffer | 'absent'> {
      const file = path.join(scratch, 'in')
      return (await store.fetch(partition, sequence, file)) === 'absent' ? 'absent' : readFile(file)
    }
    async function sequences(partition: number): Promise<bigint[]> {
      return (await store.list(partition)).map(({ sequence }) => sequence)
    }

    it('an empty store lists nothing and holds nothing', async () => {
      expect(await store.list(0)).toEqual([])
      expect(await fetched(0, 1n)).toBe('absent')
      expect(await readdir(scratch)).toEqual([])
    })

    it.each([1, 5 * MiB, 5 * MiB + 1, 17 * MiB + 3])(
      'a snapshot of %i bytes comes back byte for byte',
      async (length) => {
        const bytes = bytesOf('whole', length)
        await publish(3, 77n, bytes)
        expect(await store.list(3)).toEqual([{ partition: 3, sequence: 77n, bytes: length }])
        expect(bytes.equals((await fetched(3, 77n)) as Buffer)).toBe(true)
      },
    )

    it('lists the newest first, by number and not by text, each partition its own', async () => {
      for (const sequence of [9n, 1_000_000_000_000n, 10n, 99n]) await publish(1, sequence, bytesOf('a', 10))
      await publish(11, 5n, bytesOf('b', 10))
      expect(await sequences(1)).toEqual([1_000_000_000_000n, 99n, 10n, 9n])
      expect(await sequences(11)).toEqual([5n])
    })

    it('what is no snapshot is not seen', async () => {
      await strange('1/notes.txt')
      await strange('1/00000000000000000007.snap.aside')
      await strange('1/7.snap')
      await publish(1, 8n, bytesOf('a', 10))
      expect(await sequences(1)).toEqual([8n])
    })

    it('keeps as many as asked, the newest, and leaves later names and other partitions alone', async () => {
      await publish(2, 1n, bytesOf('other', 10))
      for (const sequence of [10n, 20n, 30n, 90n]) await publish(1, sequence, bytesOf('a', 10))
      await publish(1, 40n, bytesOf('a', 10), 2)
      expect(await sequences(1)).toEqual([90n, 40n, 30n])
      await publish(1, 50n, bytesOf('a', 10), 1)
      expect(await sequences(1)).toEqual([90n, 50n])
      expect(await sequences(2)).toEqual([1n])
    })

    it('the same name again replaces the bytes', async () => {
      await publish(1, 5n, bytesOf('first', 6 * MiB))
      await publish(1, 5n, bytesOf('second', 3 * KiB))
      expect(bytesOf('second', 3 * KiB).equals((await fetched(1, 5n)) as Buffer)).toBe(true)
    })

    it('several that publish the same name at once leave one of them whole', async () => {
      const names = ['one', 'two', 'three']
      const length = 6 * MiB
      const files = await Promise.all(
        names.map(async (one) => {
          const file = path.join(scratch, one)
          await writeFile(file, bytesOf(one, length))
          return file
        }),
      )
      await Promise.all(files.map((file) => store.publish(1, 5n, file, 1)))
      const got = (await fetched(1, 5n)) as Buffer
      expect(names.filter((one) => bytesOf(one, length).equals(got))).toHaveLength(1)
    })

    it('a file that cannot be read shows nothing', async () => {
      await expect(store.publish(1, 5n, path.join(scratch, 'none'), 1)).rejects.toThrow('ENOENT')
      expect(await store.list(1)).toEqual([])
    })

    it.each(['cut', 'removed'] as const)(
      'a file that is %s while it is copied is seen whole, as it was at one moment, or not at all',
      async (what) => {
        const bytes = bytesOf('going', 24 * MiB)
        const file = path.join(scratch, 'out')
        await writeFile(file, bytes)
        const publishing = store.publish(1, 5n, file, 1).then(
          () => true,
          () => false,
        )
        await (what === 'cut' ? truncate(file, 4 * MiB) : rm(file))
        const isPublished = await publishing
        expect(await sequences(1)).toEqual(isPublished ? [5n] : [])
        if (!isPublished) return
        const got = (await fetched(1, 5n)) as Buffer
        expect([4 * MiB, bytes.length]).toContain(got.length)
        expect(got.equals(bytes.subarray(0, got.length))).toBe(true)
      },
    )

    it('the witness written last comes back, each partition’s own, and is no snapshot', async () => {
      const witness = (partition: number, sequence: bigint): HeadWitness => ({
        partition,
        epoch: 3n,
        sequence,
        logOffset: 2n ** 40n,
        hash: bytesOf(`frame ${sequence}`, 32),
      })
      expect(await store.readWitness(1)).toBeUndefined()
      for (const sequence of [0n, 2n ** 60n, 7n]) await store.writeWitness(witness(1, sequence))
      await store.writeWitness(witness(11, 8n))
      expect(await store.readWitness(1)).toEqual({ ...witness(1, 7n), hash: expect.anything() as unknown })
      expect(Buffer.from((await store.readWitness(11))!.hash)).toEqual(bytesOf('frame 8', 32))
      expect(await store.list(1)).toEqual([])
    })

    it('a witness that is not what was written is said to be damaged', async () => {
      await strange('1/head.json')
      await expect(store.readWitness(1)).rejects.toMatchObject({
        code: 'snapshot_store_damaged',
        message: expect.stringContaining('1/head.json is not what was written') as string,
      })
    })

    it('fetching replaces what stands there; a failure leaves it, and nothing beside it', async () => {
      await publish(1, 5n, bytesOf('good', 100))
      await rm(path.join(scratch, 'out'))
      await writeFile(path.join(scratch, 'in'), 'damaged')
      expect(await fetched(1, 6n)).toBe('absent')
      expect(await readFile(path.join(scratch, 'in'), 'utf8')).toBe('damaged')
      expect(await fetched(1, 5n)).toEqual(bytesOf('good', 100))
      await expect(store.fetch(1, 5n, path.join(scratch, 'no folder', 'in'))).rejects.toThrow('ENOENT')
      expect(await readdir(scratch)).toEqual(['in'])
    })
  })
}

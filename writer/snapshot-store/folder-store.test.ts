import { mkdir, mkdtemp, open, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { describeSnapshotStore } from './contract.ts'
import { openFolderStore } from './folder-store.ts'
import { readPiece } from './local-file.ts'

const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'purser-store-'))
  folders.push(folder)
  return folder
}

describeSnapshotStore('a folder', async () => {
  const folder = await newFolder()
  return {
    store: openFolderStore(folder),
    strange: async (name) => {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
      await writeFile(path.join(folder, name), 'strange')
    },
  }
})

test('what a killed writer left aside a day ago is removed, what is new may be another writer’s', async () => {
  const folder = await newFolder()
  const within = path.join(folder, '1')
  await mkdir(within)
  for (const name of ['old.aside', 'new.aside']) await writeFile(path.join(within, name), '')
  const twoDaysAgo = Date.now() / 1_000 - 2 * 86_400
  await utimes(path.join(within, 'old.aside'), twoDaysAgo, twoDaysAgo)
  await writeFile(path.join(folder, 'out'), 'snapshot')
  await openFolderStore(folder).publish(1, 5n, path.join(folder, 'out'), 1)
  expect(await readdir(within)).toEqual(['00000000000000000005.snap', 'new.aside'])
})

test('a folder that cannot be used is the store’s own failure, with a code and what to do', async () => {
  const folder = await newFolder()
  await writeFile(path.join(folder, 'file'), '')
  const store = openFolderStore(path.join(folder, 'file'))
  const failure = {
    code: 'snapshot_store_refused',
    message: expect.stringContaining('Check its name') as string,
  }
  await expect(store.list(1)).rejects.toMatchObject(failure)
  await expect(store.publish(1, 5n, path.join(folder, 'file'), 1)).rejects.toMatchObject(failure)
})

test('a file that ends before its size is never padded', async () => {
  const file = path.join(await newFolder(), 'short')
  await writeFile(file, 'twelve bytes')
  const handle = await open(file, 'r')
  await expect(readPiece(handle, 8, 5)).rejects.toThrow(RangeError)
  expect(Buffer.from(await readPiece(handle, 7, 5)).toString()).toBe('bytes')
  await handle.close()
})

import { mkdtempSync, rmSync } from 'node:fs'
import { appendFile, open, readdir, writeFile, type FileHandle } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { beginning, describeImportRegistry, fillUp, timesOf } from './import-registry-contract.ts'
import { createFileImportRegistry } from './import-registry.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'purser-imports-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(dir, { recursive: true })
})

describeImportRegistry('the registry in files', async () => ({
  registry: createFileImportRegistry(dir),
  later: createFileImportRegistry(dir),
}))

async function prototypeOfFiles(): Promise<FileHandle> {
  const handle = await open(path.join(os.tmpdir(), `purser-any-${process.pid}`), 'w')
  await handle.close()
  return Object.getPrototypeOf(handle) as FileHandle
}

/** The next write takes half of what it is given, and then the disk is full. */
async function fillDisk(): Promise<void> {
  vi.spyOn(await prototypeOfFiles(), 'appendFile').mockImplementationOnce(async function (
    this: FileHandle,
    text,
  ) {
    await this.write(String(text).slice(0, String(text).length / 2))
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  })
}

test('a base time that found no room is refused, and those before and after it stay readable', async () => {
  const registry = createFileImportRegistry(dir)
  await registry.begin('bank', beginning(1_000))
  await fillDisk()
  await expect(registry.begin('bank', beginning(2_000, 1_000))).rejects.toThrow('ENOSPC')
  expect(timesOf(await registry.times('bank'))).toEqual([1_000])
  await registry.begin('bank', beginning(3_000, 1_000))
  for (const reader of [registry, createFileImportRegistry(dir)])
    expect(timesOf(await reader.times('bank'))).toEqual([1_000, 3_000])
})

test('a partition that has as many base times as may be gets no further one', async () => {
  vi.spyOn(await prototypeOfFiles(), 'sync').mockResolvedValue(undefined)
  await fillUp(createFileImportRegistry(dir))
})

test('base times outlive the process; a line that was cut off is as if it had never been', async () => {
  await createFileImportRegistry(dir).begin('a', beginning(5))
  for (const file of await readdir(dir)) await appendFile(path.join(dir, file), '{"import":"a","part')
  const again = createFileImportRegistry(dir)
  expect(timesOf(await again.times('a'))).toEqual([5])
  await again.begin('a', beginning(9, 5))
  expect(timesOf(await createFileImportRegistry(dir).times('a'))).toEqual([5, 9])
})

test('what earlier versions kept of chunks is told as base times under which rows may have happened', async () => {
  const registry = createFileImportRegistry(dir)
  await registry.begin('old', beginning(1))
  const [file] = await readdir(dir)
  const chunk = (number: number, baseMs: number): string =>
    `${JSON.stringify({ import: 'old', chunk: number, baseMs, anchor: '0:ff' })}\n`
  await writeFile(path.join(dir, file!), chunk(0, 7) + chunk(1, 8) + chunk(1, 7))
  const kept = await createFileImportRegistry(dir).times('old')
  expect(kept.ofChunks).toEqual([7, 8])
  expect(timesOf(kept)).toEqual([])
})

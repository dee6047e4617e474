import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { describeImportRegistry } from './import-registry-contract.ts'
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

/** The next write takes half of what it is given, and then the disk is full. */
async function fillDisk(): Promise<void> {
  const handle = await open(path.join(dir, 'any'), 'w')
  const prototype = Object.getPrototypeOf(handle) as typeof handle
  await handle.close()
  vi.spyOn(prototype, 'appendFile').mockImplementationOnce(async function (this: typeof handle, text) {
    await this.write(String(text).slice(0, String(text).length / 2))
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  })
}

test('a base time that found no room is refused, and those before and after it stay readable', async () => {
  const registry = createFileImportRegistry(dir)
  await registry.begin('bank', 1, 1_000, 'anchor')
  await fillDisk()
  await expect(registry.begin('bank', 2, 2_000)).rejects.toThrow('ENOSPC')
  expect(await registry.baseTimes('bank', 2)).toEqual([])
  await registry.begin('bank', 3, 3_000)
  for (const reader of [registry, createFileImportRegistry(dir)]) {
    const times = await Promise.all([1, 2, 3].map((chunk) => reader.baseTimes('bank', chunk)))
    expect(times).toEqual([[1_000], [], [3_000]])
  }
})

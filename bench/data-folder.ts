/** Folders that benchmarks write to. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { BenchOptions } from './options.ts'

/** Makes a folder, and removes it with all that is in it when the work ends, however it ends. */
export async function inNewFolder<T>(
  options: BenchOptions,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const parent = options.dir ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(path.join(parent, 'purser-bench-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  // A person may stop a long run: its gigabytes go as well.
  const onSignal = (): void => {
    remove()
    process.exit(130)
  }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    return await work(folder)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    remove()
  }
}

/** The folder that `--keep` leaves and finds again. */
export function keptFolder(options: BenchOptions, name: string): string {
  const folder = path.join(options.dir ?? tmpdir(), `purser-bench-${name}`)
  mkdirSync(folder, { recursive: true })
  return folder
}

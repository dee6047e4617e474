import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { messageOf } from '../schemas/errors.ts'
import { ensureBuilt, keepBuilt } from '../bin/build.js'
import { areRoundsLong } from './support/rounds.ts'
import { requiredNeeds, REQUIRE_VARIABLE } from './support/needs.ts'

/**
 * Worker threads and child processes run from `dist/`, so it has to be the sources' own before any test. What the tests
 * left out is told behind everything else.
 */
export default async function setup(project: TestProject): Promise<() => void> {
  // What is wrong with a variable is said at once.
  requiredNeeds()
  areRoundsLong()
  await ensureBuilt()
  // Who watches changes sources while it runs.
  if (!project.vitest.config.watch) keepBuilt()
  const folder = mkdtempSync(path.join(process.env['PURSER_TESTS_FOLDER'] ?? os.tmpdir(), 'purser-tests-'))
  // Every process of the run finds it there.
  process.env['TMPDIR'] = folder
  const leftOut = path.join(folder, 'lines')
  writeFileSync(leftOut, '')
  project.provide('leftOut', leftOut)
  return () => {
    const lines = new Set(readFileSync(leftOut, 'utf8').split('\n').slice(0, -1))
    remove(folder)
    if (lines.size === 0) return
    process.stderr.write(
      `\n${[...lines].sort().join('\n')}\n${REQUIRE_VARIABLE}=all makes failures of these.\n`,
    )
  }
}

/** A broker that was told to end may write a last time. A folder that stays is told, and is no failure of a test. */
function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  } catch (error) {
    process.stderr.write(`\nLeft behind: ${folder} (${messageOf(error)})\n`)
  }
}

/** Lanes of tests: a file's suffix says whether it starts something (docs/testing.md). */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../bin/build.js'
import { loadedBy } from './support/imports.ts'
import { LONGEST } from './support/longest.ts'

const INT = '.int.test.ts'
/** The builder is a process too. */
const STARTS = /^(import|\}) .*from 'node:child_process'$|await import\('esbuild'\)/m
const folders = readdirSync(root, { withFileTypes: true }).filter(
  (entry) => entry.isDirectory() && !/^(node_modules|dist.*|\..*)$/.test(entry.name),
)
const files = folders.flatMap(({ name: folder }) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => path.join(folder, name)),
)

/** Whether it can start a process: bin/build.js is loaded by all, and starts none once the program is built. */
function canStart(name: string): boolean {
  return loadedBy(name).some(
    (source) => source.endsWith('.ts') && STARTS.test(readFileSync(path.join(root, source), 'utf8')),
  )
}

test('no file of the fast lane, nor anything that it loads, can start a process', () => {
  const fast = files.filter((name) => !name.endsWith(INT))
  expect(fast.length).toBeGreaterThan(100)
  expect(fast.filter(canStart)).toEqual([])
})

test('every other file does: what starts nothing belongs into the fast lane', () => {
  const int = files.filter((name) => name.endsWith(INT))
  expect(int.length).toBeGreaterThan(50)
  expect(int.filter((name) => !canStart(name))).toEqual([])
})

test('the files that are said to take longest are there', () => {
  expect(LONGEST.filter((name) => !files.includes(name))).toEqual([])
})

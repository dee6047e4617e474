/** The simulator's own door: what it does not understand is said in a sentence, with exit code 2. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { expect, test } from 'vitest'
import { parseOptions, UsageError } from './command-line.ts'
import { missingMarks, REQUIRED, REQUIRED_FAULTS } from './coverage.ts'
import { ROOT } from './repository-paths.ts'

test.each([
  [['--seeds', 'abc'], '--seeds "abc": a whole number, at least 1'],
  [['--seeds', '0'], '--seeds "0": a whole number, at least 1'],
  [['--seeds', ''], '--seeds "": a whole number, at least 1'],
  [['--seed', '1.5'], '--seed "1.5": a whole number, at least 0'],
  [['--jobs', '0'], '--jobs "0": a whole number, at least 1'],
  [['--sedes', '3'], "Unknown option '--sedes'"],
  [['3'], "Unexpected argument '3'"],
])('%j is refused', (args, sentence) => {
  expect(() => parseOptions(args)).toThrow(UsageError)
  expect(() => parseOptions(args)).toThrow(sentence)
})

test.each([[['--seeds', 'abc']], [['--mutant', 'nobody']]])('%j ends with 2 and no stack trace', (args) => {
  const run = spawnSync(process.execPath, ['bin/run.js', 'test/simulation/main.ts', ...args], { cwd: ROOT, encoding: 'utf8' }) // prettier-ignore
  expect(run.status).toBe(2)
  expect(run.stderr).toContain('npm run simulate -- [--seeds N]')
  expect(run.stderr).not.toMatch(/^\s+at /m)
})

test('what never happened is told in a run of any length', () => {
  const script = path.join('bin', 'run.js')
  const run = spawnSync(process.execPath, [script, 'test/simulation/main.ts', '--seed', '1', '--json'], { cwd: ROOT, encoding: 'utf8' }) // prettier-ignore
  expect(run.status).toBe(0)
  expect((JSON.parse(run.stdout) as { missing: string[] }).missing).toContain('takeover')
})

test('a mark that was not reached and a fault that was not made are both missing', () => {
  const all = (names: readonly string[]): Record<string, number> =>
    Object.fromEntries(names.map((name) => [name, 1]))
  const [coverage, faults] = [all(REQUIRED), all(REQUIRED_FAULTS)]
  expect(missingMarks({ coverage, faults })).toEqual([])
  expect(missingMarks({ coverage: { ...coverage, takeover: 0 }, faults })).toEqual(['takeover'])
  const { kill: _, ...others } = faults
  expect(missingMarks({ coverage, faults: others })).toEqual(['fault: kill'])
})

/** What a planted fault may come to: only what the simulator saw counts as caught. */
import { expect, test } from 'vitest'
import type { Mutant } from './mutants.ts'
import { runMutant } from './run-mutants.ts'

const RUN = { from: 1, seeds: 4, jobs: 1 }

function planted(replace: string): Mutant {
  const find = '    appender.sync()\n    isIdleFrameDue = true\n'
  return { name: 'planted', patches: [{ file: 'eventlog/file/group-commit.ts', find, replace }] }
}

test('code that merely falls over is not a caught mutant', async () => {
  const result = await runMutant(planted('    appender.sink()\n    isIdleFrameDue = true\n'), RUN)
  expect(result).toMatchObject({ outcome: 'crashed', caughtBy: undefined })
  expect(result.failure).toContain('appender.sink is not a function')
})

test('code that never ends is stopped, and said to', async () => {
  const result = await runMutant(planted('    for (;;) isIdleFrameDue = !isIdleFrameDue\n'), RUN, 4_000)
  expect(result).toMatchObject({ outcome: 'did not end', caughtBy: undefined })
  expect(result.failure).toBe('seeds 1 to 4 did not end within 4 s')
})

test('what changes nothing survives', async () => {
  const result = await runMutant(planted('    appender.sync()\n    isIdleFrameDue = !false\n'), RUN)
  expect(result).toMatchObject({ outcome: 'survived', caughtBy: undefined, failure: undefined })
})

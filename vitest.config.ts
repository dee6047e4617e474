import { createRequire } from 'node:module'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'
import { PATIENCE_MS, TEST_MS_MAX } from './test/support/patience.ts'

/** The copy of graphql that every other package loads: the bundler would take the ESM build, a second one beside it. */
const graphql = createRequire(import.meta.url).resolve('graphql')
const resolve = {
  alias: [
    { find: /^graphql$/, replacement: graphql },
    // What the package exports, from its sources.
    { find: /^purser\/projections\/kit$/, replacement: `${import.meta.dirname}/projectors/kit/scenario.ts` },
    { find: /^purser\/projections$/, replacement: `${import.meta.dirname}/projectors/kit/index.ts` },
    { find: /^purser\/(\w+)$/, replacement: `${import.meta.dirname}/$1/index.ts` },
  ],
}

const INT = '**/*.int.test.ts'
const NOT_OURS = ['**/node_modules/**', 'dist/**']

/** A lane of tests, told by its files' names. */
function lane(name: string, test: TestProjectInlineConfiguration['test']): TestProjectInlineConfiguration {
  return {
    resolve,
    test: {
      name,
      testTimeout: TEST_MS_MAX,
      hookTimeout: TEST_MS_MAX,
      expect: { poll: { timeout: PATIENCE_MS } },
      pool: 'forks',
      ...test,
    },
  }
}

export default defineConfig({
  resolve,
  test: {
    globalSetup: ['test/global-setup.ts'],
    // Not as the environment has it: a tidy test finds a test that runs alone.
    allowOnly: true,
    // kafkajs cannot be told to end its retries: a process that has met an outage lingers.
    teardownTimeout: 60_000,
    // Much of a file is waiting, for processes to start and for others to be missed: two cores carry four files at a time.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      lane('fast', { include: ['**/*.test.ts'], exclude: [...NOT_OURS, INT] }),
      lane('int', { include: [INT], exclude: NOT_OURS, globalSetup: ['test/int-setup.ts'] }),
    ],
  },
})

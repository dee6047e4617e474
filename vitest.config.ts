import { createRequire } from 'node:module'
import { defineConfig } from 'vitest/config'

/** The copy of graphql that every other package loads: the bundler would take the ESM build, a second one beside it. */
const graphql = createRequire(import.meta.url).resolve('graphql')

export default defineConfig({
  resolve: { alias: [{ find: /^graphql$/, replacement: graphql }] },
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A second, the default, is short for a machine that runs brokers beside the tests.
    expect: { poll: { timeout: 10_000 } },
    // kafkajs cannot be told to end its retries: a process that has met an outage lingers.
    teardownTimeout: 60_000,
    // Child processes and worker threads are part of what is tested: two cores carry two files at a time.
    maxWorkers: 2,
    pool: 'forks',
  },
})

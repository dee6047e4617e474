import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Child processes and worker threads are part of what is tested: two cores carry two files at a time.
    maxWorkers: 2,
    pool: 'forks',
  },
})

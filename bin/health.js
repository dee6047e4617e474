#!/usr/bin/env node
// For container health checks: exit code 0 if the role in this container is ready, whichever it is.
const ports = [process.env.PURSER_HEALTH_PORT || '4001', process.env.PURSER_PORT || '4000']
const answers = await Promise.allSettled(
  ports.map((port) => fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3_000) })),
)
process.exitCode = answers.some(({ value }) => value?.ok === true) ? 0 : 1

#!/usr/bin/env node
// For container health checks: exit code 0 if the role in this container is ready, whichever it is. A gateway, or the
// whole platform, that takes commands is well: made anew it would not have its views back any sooner.
const addresses = [
  `${process.env.PURSER_HEALTH_PORT || '4001'}/readyz`,
  `${process.env.PURSER_PORT || '4000'}/readyz?for=commands`,
]
const answers = await Promise.allSettled(
  addresses.map((address) => fetch(`http://127.0.0.1:${address}`, { signal: AbortSignal.timeout(3_000) })),
)
process.exitCode = answers.some(({ value }) => value?.ok === true) ? 0 : 1

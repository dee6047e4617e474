// Loaded before the program, in each of its threads: the wall clock is off by what stands in a file, in milliseconds, and
// jumps when that changes. The monotonic clock goes on, as it does when a real clock is set.
import { readFileSync } from 'node:fs'

const LOOK_EVERY_MS = 5
const RealDate = Date
const realNow = Date.now
let offsetMs = 0
let lookedAtMs = -Infinity

function now() {
  const monotonicMs = performance.now()
  if (monotonicMs - lookedAtMs >= LOOK_EVERY_MS) {
    lookedAtMs = monotonicMs
    offsetMs = Number(readFileSync(process.env['TEST_CLOCK_FILE'], 'utf8'))
  }
  return realNow() + offsetMs
}

globalThis.Date = class extends RealDate {
  constructor(...values) {
    if (values.length === 0) super(now())
    else super(...values)
  }
}
Date.now = now

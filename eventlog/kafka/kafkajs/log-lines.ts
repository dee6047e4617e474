/** The log lines of kafkajs that an operator can act on, each once in a while. */
import type { logCreator } from 'kafkajs'
import { plainText } from './classify-error.ts'

/** Takes a line for the operator. */
export type Log = (line: string) => void

/** Lines of start-ups and failovers that kafkajs then repairs, and of connections that we cut. */
const SAID_IN_VAIN = [
  /coordinator is (loading|not available)/i,
  /group is rebalancing/i,
  /not the leader|leadership election|does not host this topic-partition/i,
  /^Response /,
  /cut from this side/,
  /^Failed to connect to seed broker/,
]
/** How long the same line is not repeated. */
const REPEAT_MS = 30_000
/** Lines remembered for that. */
const LINES_MAX = 100

/** One memory for all clients and connections of one operator: otherwise each would tell the same line. */
const creators = new WeakMap<Log, logCreator>()

/** Warnings and errors of kafkajs as lines for whoever takes them. */
export function logCreatorFor(log: Log): logCreator {
  const known = creators.get(log)
  if (known !== undefined) return known
  const made = createLogCreator(log)
  creators.set(log, made)
  return made
}

/**
 * Warnings and errors of kafkajs as lines, without those that tell an operator nothing.
 * @param nowMs milliseconds that only go forward
 */
export function createLogCreator(log: Log, nowMs: () => number = () => performance.now()): logCreator {
  const told = new Map<string, number>()
  return () => (entry) => {
    const { message, broker } = entry.log as { message: string; broker?: string }
    if (SAID_IN_VAIN.some((pattern) => pattern.test(message))) return
    const line = `kafka: ${plainText(message)}${broker === undefined ? '' : ` (${broker})`}`
    const last = told.get(line)
    if (last !== undefined && nowMs() - last < REPEAT_MS) return
    if (told.size >= LINES_MAX) told.clear()
    told.set(line, nowMs())
    log(line)
  }
}

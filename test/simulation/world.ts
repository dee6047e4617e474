/**
 * The world of one seed: a clock that only the scheduler moves, chance, what is to happen when, and what is written down.
 * Everything simulated gets its time, its chance and its turn from here and from nowhere else, so a seed is a whole history.
 */
import { createHash, type Hash } from 'node:crypto'
import { createRandom, type Random } from './random.ts'

export type { Random } from './random.ts'

export interface World {
  /** Time since the world began, which only goes forward. The wall clocks of simulated machines are made of it. */
  nowNs(): bigint
  readonly random: Random
  /** Has `task` run when `delayNs` have passed; chance orders what is due at the same time. `what` names it in traces. */
  schedule(delayNs: bigint, what: string, task: () => void): void
  /** Writes a line down; the last ones are shown when a seed fails, and all of them make the trace's hash. */
  trace(line: string): void
  /** Notes that something worth reaching was reached. */
  cover(event: string): void
  /** Notes that a fault was made to happen. */
  fault(kind: string): void
}

export interface SimulatedWorld extends World {
  readonly coverage: ReadonlyMap<string, number>
  readonly faults: ReadonlyMap<string, number>
  /** Tasks run so far. */
  steps(): number
  /** Runs the next task. False if none waits. */
  step(): boolean
  /** The last lines, oldest first. */
  lastLines(): readonly string[]
  /** SHA-256 of every line so far, in hexadecimal. */
  traceHash(): string
}

const LINES_KEPT = 200

interface Task {
  readonly atNs: bigint
  readonly tie: number
  /** Orders tasks of equal time and tie, so that order never depends on the heap. */
  readonly nth: number
  readonly what: string
  readonly task: () => void
}

/** @param onLine is told of each line as it is written */
export function createWorld(seed: number, onLine?: (line: string) => void): SimulatedWorld {
  const random = createRandom(seed)
  const queue: Task[] = []
  const lines: string[] = []
  const coverage = new Map<string, number>()
  const faults = new Map<string, number>()
  const hash: Hash = createHash('sha256')
  let nowNs = 0n
  let steps = 0
  let scheduled = 0
  let written = 0

  function trace(line: string): void {
    const stamped = `${String(nowNs / 1_000n).padStart(10)}µs ${line}`
    hash.update(stamped)
    lines[written++ % LINES_KEPT] = stamped
    onLine?.(stamped)
  }

  return {
    nowNs: () => nowNs,
    random,
    schedule(delayNs, what, task) {
      push(queue, {
        atNs: nowNs + (delayNs > 0n ? delayNs : 0n),
        tie: random.next(),
        nth: scheduled++,
        what,
        task,
      })
    },
    trace,
    cover: (event) => coverage.set(event, (coverage.get(event) ?? 0) + 1),
    fault(kind) {
      faults.set(kind, (faults.get(kind) ?? 0) + 1)
      trace(`FAULT ${kind}`)
    },
    coverage,
    faults,
    steps: () => steps,
    step() {
      const next = pop(queue)
      if (next === undefined) return false
      nowNs = next.atNs
      steps++
      trace(next.what)
      next.task()
      return true
    },
    lastLines() {
      const first = Math.max(0, written - LINES_KEPT)
      return Array.from({ length: written - first }, (_, index) => lines[(first + index) % LINES_KEPT]!)
    },
    traceHash: () => hash.copy().digest('hex'),
  }
}

function isBefore(left: Task, right: Task): boolean {
  if (left.atNs !== right.atNs) return left.atNs < right.atNs
  if (left.tie !== right.tie) return left.tie < right.tie
  return left.nth < right.nth
}

/** A binary heap: the earliest task at index 0. */
function push(heap: Task[], task: Task): void {
  let at = heap.push(task) - 1
  while (at > 0) {
    const above = (at - 1) >> 1
    if (!isBefore(task, heap[above]!)) break
    heap[at] = heap[above]!
    at = above
  }
  heap[at] = task
}

function pop(heap: Task[]): Task | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    let below = at * 2 + 1
    if (below >= heap.length) break
    if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++
    if (!isBefore(heap[below]!, last)) break
    heap[at] = heap[below]!
    at = below
  }
  heap[at] = last
  return first
}

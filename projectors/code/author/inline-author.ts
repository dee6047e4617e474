/** An author's functions in this process, without bounds: for the simulation and for tests, of functions that are known. */
import type { CodeProjection } from '../../code-projection.ts'
import { Evaluator } from './evaluator.ts'
import type { StatesLimits } from './partition-states.ts'
import type { Author } from './port.ts'

export function inlineAuthor(projection: CodeProjection, limits: StatesLimits): Author {
  const evaluator = new Evaluator(projection, limits, { at: () => undefined, idle: () => undefined })
  // One after the other, as a process of its own does it.
  let turn: Promise<unknown> = Promise.resolve()
  return {
    start: async () => undefined,
    run: (work, load) => {
      const result = turn.then(() => evaluator.run(work, load))
      turn = result.catch(() => undefined)
      return result
    },
    keep: (partition) => evaluator.keep(partition),
    stop: async () => undefined,
  }
}

/** Waits for views without waiting for those that have stopped. */
import type { RunningProjections } from '../../projectors/runtime/runtime.ts'
import type { Position } from '../../schemas/positions.ts'

const LOOK_MS = 2_000

/** Resolves when all views hold what this position includes. @throws Error if one of them has stopped, and why */
export async function whenHeld(
  projections: Pick<RunningProjections, 'waitFor' | 'status'>,
  position: Position,
): Promise<void> {
  while (!(await projections.waitFor(position, LOOK_MS)))
    for (const { name, state, failure } of projections.status())
      if (state === 'stopped') throw new Error(`the view ${name} has stopped: ${failure ?? 'unsaid why'}`)
}

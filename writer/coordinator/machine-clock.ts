/** The clock of coordinators in a real process. */
import type { StepClock } from './step-target.ts'

export const MACHINE_CLOCK: StepClock = {
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => {
      clearTimeout(timer)
    }
  },
}

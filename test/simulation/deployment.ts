/** A simulated deployment, as the seed drives it. */
import type { Door } from './clients.ts'

export interface Deployment {
  /** Where clients may offer now; undefined while nothing serves. */
  door(): Door | undefined
  /** A turn of trouble. */
  trouble(): void
  /** Called after each step of the world. */
  afterStep(turn: () => Promise<void>): Promise<void>
  /** After each step: sums of every core, its state beside the model's where they stand at one place, what the views hold. */
  check(): void
  /** No more trouble, for ever. */
  heal(): void
  /** Stops what serves in good order, calls back, and starts again by itself. Does nothing while that cannot be. */
  stop(then: () => void): void
  /** True if everything that follows the log has reached its end. */
  isWhole(): boolean
  /** The last checks of a seed, when all is quiet. */
  checkEnd(): void
}

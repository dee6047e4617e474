/** What every role of the distributed platform is, once it runs. */
import type { PlatformError } from '../errors.ts'

export interface RunningRole {
  status(): RoleStatus
  /** Resolves when the role fails for good, with what it fails of: its process should say so and end. */
  readonly failed: Promise<PlatformError>
  /** Stops in order: takes nothing more, finishes what it took. Idempotent. */
  stop(): Promise<void>
}

/** How a role is. */
export interface RoleStatus {
  /** True if it does its work now. */
  readonly ready: boolean
  /** Why not, in sentences; empty if it does. */
  readonly reasons: readonly string[]
  /** What an operator may want to see beside. */
  readonly [detail: string]: unknown
}

/**
 * The seam between the simulator and the simulated views: how it starts, kills and checks them. The simulator owns the log
 * that they read; a crash of the machine takes the views down together with the writer, and each may also fall alone.
 */
import type { EventLog } from '../../eventlog/ports.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import type { World } from './world.ts'

export interface SimulatedViews {
  /**
   * Follows `log` from where the stored rows say. Called once at first, and again after each `crash` with the log as the
   * new writer opened it. A log that ends before the views do has to be refused by throwing.
   */
  start(log: EventLog): void
  /** The process dies where it stands: nothing of it runs on. Rows that were stored stay, as far as the store promises. */
  crash(): void
  /** Last sequence up to which the views hold everything, as their own store says; 0 if nothing. Readable while down. */
  position(): bigint
  /**
   * Throws if the views are not what the log says at their position.
   * @param events every accepted event so far, from sequence 1 on
   */
  check(events: readonly WalletEvent[]): void
  /** No more faults from here on: the views have to reach the head of the log. */
  heal(): void
}

export type CreateSimulatedViews = (world: World) => SimulatedViews

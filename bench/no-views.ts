/** A platform's views where there are none: for measuring what a commit costs without them. */
import type { Projections } from '../projectors/runtime/status.ts'
import { fixedServing } from '../projectors/serving.ts'
import { OutageError, type ViewStore } from '../projectors/clickhouse/view-store.ts'

const none = (): Promise<never> => Promise.reject(new OutageError('this platform runs without views'))

export const NO_STORE: ViewStore = {
  query: none,
  command: none,
  insertPayload: none,
  ping: () => Promise.resolve(false),
  close: () => Promise.resolve(),
}

export const NO_PROJECTIONS: Projections = {
  status: () => [],
  position: () => new Map(),
  positionOf: () => new Map(),
  serving: () => fixedServing([]),
  absent: () => undefined,
  settledNs: () => 0n,
  attend: () => undefined,
  waitFor: () => Promise.resolve(false),
  onAdvance: () => () => undefined,
  stop: () => Promise.resolve(),
}

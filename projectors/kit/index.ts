/**
 * `purser/projections`: what a view outside this repository is written with. Types, and a handful of functions without
 * side effects; docs/projections.md tells how. The kit for tests is another entry, `purser/projections/kit`.
 */
export {
  codeProjection,
  defineConfig,
  defineView,
  sinkProjection,
  sqlProjection,
  type ProjectConfig,
} from './define.ts'
export { between, liveRows } from './live-rows.ts'
export type { View } from '../../gateway/view.ts'
// Without a word of its package, the builder's own types are not found from the declarations.
export type { ObjectRef } from '@pothos/core'
export type { SchemaKit } from '../../gateway/schema/kit.ts'
export type { RequestContext } from '../../gateway/services.ts'
export type { Projection, ProjectionTable, SqlProjection } from '../projection.ts'
export type {
  CodeColumns,
  CodeProjection,
  CodeTable,
  CodeTables,
  ColumnType,
  ProjectionEvent,
  RowOf,
  RowsOf,
  StateValue,
  ValueOf,
} from '../code-projection.ts'
export {
  SinkOutageError,
  type Delivery,
  type Sink,
  type SinkMessage,
  type SinkProjection,
} from '../sink-projection.ts'
export { slidingWindow, type SlidingWindow, type Window } from './window.ts'
export { tableNames } from '../projection.ts'
export { nanoseconds, rowsOf, timeParameter, whole, within, withinPartition } from '../sql.ts'
export type { QueryOptions, QueryParameters, ViewStore } from '../clickhouse/view-store.ts'
export { EVENT_COLUMNS, EVENT_KINDS, type EventKind, type Side, type Totals } from '../../schemas/events.ts'
export { COMMAND_KINDS, type CommandKind } from '../../schemas/commands.ts'
export { REFUSAL_CODES, refusalOf, type Refusal, type RefusalCode } from '../../schemas/refusals.ts'
export type { Position } from '../../schemas/positions.ts'

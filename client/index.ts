/** `purser/client`: commands to a platform over the bulk lane (docs/bulk-lane.md). */
export { connectBulk, type BulkClient, type BulkOptions } from './client.ts'
export {
  BulkError,
  BusyError,
  ClosedError,
  ConnectionError,
  ProtocolError,
  RefusedError,
  type BulkErrorCode,
} from './errors.ts'
export { newId, newIdFor } from './new-id.ts'
export { encodeCommands } from '../schemas/command-codec.ts'
export { type Command, type CommandKind } from '../schemas/commands.ts'
export { formatId, makeUuidV7, parseId, type Id } from '../schemas/ids.ts'
export {
  LANE_FAULT_MEANINGS,
  type CommandResult,
  type LaneFault,
  type LaneResults,
} from '../schemas/lane-results.ts'
export { REFUSAL_MESSAGES, type RefusalCode } from '../schemas/refusals.ts'

/**
 * `purser/platform`: the platform inside another program. Nothing here reads the environment, takes a signal, writes to the
 * standard streams or ends the process; what can go wrong is a PlatformError.
 */
export { startPlatform, type Platform, type PlatformOptions } from './embedded-platform.ts'
export { PLATFORM_ERRORS, PlatformError, type PlatformErrorCode } from './errors.ts'
export { startWriterRole, type WriterRole, type WriterRoleOptions } from './roles/writer-role.ts'
export {
  projectionsNamed,
  startProjectorRole,
  type ProjectorRole,
  type ProjectorRoleOptions,
} from './roles/projector-role.ts'
export { startGatewayRole, type GatewayRole, type GatewayRoleOptions } from './roles/gateway-role.ts'
export { openHealthServer, type HealthServer } from './roles/health.ts'
export type { RoleStatus, RunningRole } from './roles/role.ts'
export type { View } from '../gateway/view.ts'
export { BUILT_IN_VIEWS } from '../projectors/views/built-in.ts'
export { ISO_CURRENCIES, type Currency } from '../schemas/money.ts'
export { formatPosition, type Position } from '../schemas/positions.ts'

/** The services that the doors share. `startGateway` wires them once. */
import type { ProjectionOperations } from '../projectors/registry/operations.ts'
import type { Projections } from '../projectors/runtime/status.ts'
import type { GatewayLimits } from './bounds.ts'
import type { CommandContext } from './commands/commands.ts'
import type { CurrencyScales } from './commands/currency-scales.ts'
import type { Feed } from './live/feed.ts'
import type { HotTotals } from './live/hot-totals.ts'
import type { Hub } from './live/hub.ts'
import type { LogHeads } from './positions/log-heads.ts'
import type { DeploymentTokens } from './positions/deployment-tokens.ts'
import type { RequestPoint } from './read/read-points.ts'
import type { SubscriberMemory } from './live/subscriber-memory.ts'
import type { CommandRouter } from './submit/command-router.ts'
import type { Submitter } from './submit/submit.ts'
import type { Views } from './read/views.ts'

export interface Services {
  readonly views: Views
  readonly projections: Projections
  /** What operators do with the projections; undefined where this gateway does not serve it. */
  readonly operations: ProjectionOperations | undefined
  readonly submitter: Submitter
  /** Finds the partition that decides a command. */
  readonly router: CommandRouter
  readonly hub: Hub
  /** Bytes that wait for all subscribers together. */
  readonly memory: SubscriberMemory
  readonly feed: Feed
  readonly heads: LogHeads
  readonly tokens: DeploymentTokens
  readonly hot: HotTotals
  readonly commands: CommandContext
  readonly scales: CurrencyScales
  readonly limits: GatewayLimits
  readonly log: (line: string) => void
}

/** The way by which an operation came in. */
export type Transport = 'http' | 'sse' | 'ws' | 'bulk' | 'lane'

/** The context of resolvers. */
export interface RequestContext {
  readonly services: Services
  readonly transport: Transport
  readonly point: RequestPoint
  /** True if the operation asks for current balances only. Then memory may answer. */
  readonly onlyBalances: boolean
}

/** Every bound of the doors. Tests and operators may give `startGateway` other values. */

export interface GatewayLimits {
  /** Bytes of one GraphQL request's body. */
  readonly graphqlBodyBytesMax: number
  /** Bytes of one bulk request's body. */
  readonly bulkBodyBytesMax: number
  /** Bulk requests that may be worked on at a time, and that may wait for each partition's writer. */
  readonly bulkRequestsMax: number
  /** Connections of the binary bulk lane. */
  readonly laneConnectionsMax: number
  /** Requests under way at a time on one lane connection. One more is answered busy. */
  readonly laneRequestsPerConnectionMax: number
  /** How long a lane request may take from its first byte to its last, in ms. */
  readonly laneRequestMs: number
  /**
   * Bytes of all lane requests that are received or worked on, and of those that wait for each partition. Beyond it:
   * busy.
   */
  readonly laneBytesMax: number
  /**
   * Operations that are worked on at a time, over all transports; and offers that wait for each partition's writer.
   * Subscriptions are counted apart.
   */
  readonly operationsMax: number
  /** Reads that wait for a position at a time. They free their slots among the operations. */
  readonly waitingReadsMax: number
  readonly connectionsMax: number
  readonly socketsMax: number
  readonly socketMessageBytesMax: number
  /** Operations open at a time on one WebSocket. */
  readonly subscriptionsPerSocketMax: number
  readonly subscriptionsMax: number
  /** Items that may wait for one slow subscriber. Beyond it, it is told that it lags. */
  readonly subscriberQueueMax: number
  /** Bytes that may wait for all subscribers together. Beyond it, the one with the most bytes is told that it lags. */
  readonly subscriberBytesMax: number
  /** How long a read waits for a position, in ms. */
  readonly readWaitMs: number
  /** How long the views may lack an event that this gateway has seen before reads are refused, in ms. */
  readonly viewsLagMsMax: number
  /** How long a command waits for its outcome, in ms. */
  readonly outcomeWaitMs: number
  /**
   * How long to wait for an id that was made a moment ago and is not known here, in ms: another gateway may have told
   * its client before this one heard of it. 0: there is no other gateway.
   */
  readonly elsewhereWaitMs: number
  /** Commands of each partition that may wait for outcomes at a time. */
  readonly pendingCommandsMax: number
  /** A socket that leaves a frame unread for longer is cut, in ms. */
  readonly socketSendMs: number
  /** How long a drain takes at most, in ms. */
  readonly drainMs: number
  /** Accounts whose totals are kept in memory. */
  readonly hotAccountsMax: number
}

export const DEFAULT_LIMITS: GatewayLimits = {
  graphqlBodyBytesMax: 1024 * 1024,
  bulkBodyBytesMax: 8 * 1024 * 1024,
  bulkRequestsMax: 16,
  laneConnectionsMax: 1_024,
  laneRequestsPerConnectionMax: 16,
  laneRequestMs: 60_000,
  laneBytesMax: 96 * 1024 * 1024,
  operationsMax: 2_048,
  waitingReadsMax: 2_048,
  connectionsMax: 8_192,
  socketsMax: 4_096,
  socketMessageBytesMax: 64 * 1024,
  subscriptionsPerSocketMax: 100,
  subscriptionsMax: 20_000,
  subscriberQueueMax: 1_024,
  subscriberBytesMax: 64 * 1024 * 1024,
  readWaitMs: 5_000,
  viewsLagMsMax: 300_000,
  outcomeWaitMs: 30_000,
  elsewhereWaitMs: 0,
  pendingCommandsMax: 131_072,
  socketSendMs: 10_000,
  drainMs: 5_000,
  hotAccountsMax: 100_000,
}

/** The bound of the views' lag, if an operator gives one. */
export function lagLimit(seconds: number | undefined): Partial<Pick<GatewayLimits, 'viewsLagMsMax'>> {
  return seconds === undefined ? {} : { viewsLagMsMax: seconds * 1_000 }
}

/** Items on one page. */
export const PAGE_ITEMS_MAX = 200
export const PAGE_ITEMS_DEFAULT = 50

/** Bounds of a query's text and shape. Introspection as tools send it stays well inside. */
export const QUERY_TOKENS_MAX = 4_000
export const QUERY_DEPTH_MAX = 20
export const QUERY_ALIASES_MAX = 100
export const QUERY_ROOT_FIELDS_MAX = 50
/** Fields that an operation may produce. Lists count by their page size. */
export const QUERY_COST_MAX = 50_000

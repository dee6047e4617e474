/** How long Kafka may not answer: for tests, which have less patience than operators. */
export interface OutageBounds {
  /** Until a role ends, in ms. Default: OUTAGE_MS_MAX_DEFAULT. */
  readonly outageMsMax?: number
  /** Until a gateway gives commands up, in ms. Default: COMMAND_OUTAGE_MS_MAX. */
  readonly commandOutageMsMax?: number
}

/** Where a lag is going, in words. */

/** As `projections` and `/readyz` tell it. */
export interface LagTrend {
  readonly direction: string
  readonly eventsPerSecond: number
  readonly seconds: number
}

/** `, shrinking by 1200 events/s over 15 min`; nothing where nothing is known. */
export function describeTrend(trend: LagTrend | null | undefined): string {
  if (trend === null || trend === undefined) return ''
  const direction = trend.direction.toLowerCase()
  const over = trend.seconds < 60 ? `${trend.seconds} s` : `${Math.round(trend.seconds / 60)} min`
  const by = direction === 'level' ? '' : ` by ${Math.abs(trend.eventsPerSecond)} events/s`
  return `, ${direction}${by} over ${over}`
}

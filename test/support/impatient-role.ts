/**
 * A role for tests of outages: `bin/run.js test/support/impatient-role.ts '{"outageMsMax":3000}' writer …`. As `purser writer …`, but
 * it gives Kafka up that soon.
 */
import { main as purser } from '../../cli/main.ts'
import type { OutageBounds } from '../../platform/roles/outage-bounds.ts'

export function main([bounds, ...args]: readonly string[]): Promise<void> {
  return purser(args, JSON.parse(bounds!) as OutageBounds)
}

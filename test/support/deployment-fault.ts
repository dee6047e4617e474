/** A fault in the middle of a load, and the account of it. */
import { test } from 'vitest'
import { expectExact, type ChainSeen } from './deployment-check.ts'
import type { Deployment } from './deployment.ts'
import type { DeploymentLoad } from './deployment-load.ts'

/** How often each fault is made to happen; a longer run says how many. */
const FAULT_ROUNDS = Number(process.env['PURSER_FAULT_ROUNDS'] ?? 1)
/** Longest time that a round may take, on a machine with much else to do. */
export const ROUND_MS_MAX = 180_000

/** Transfers of each partition to be acknowledged before a fault, and again behind it. */
const BEFORE = 150
const AFTER = 150
/** Longest time until both have been. */
const AWAY_MS_MAX = 90_000

export interface FaultSeen {
  /** Longest time in which nobody was told of a transfer of some partition, from just before the fault to well behind it. */
  readonly awaySeconds: number
  readonly chains: readonly ChainSeen[]
}

/** A test that makes a fault happen as often as is wanted. */
export function faultRounds(title: string, round: () => Promise<unknown>): void {
  test(
    title,
    async () => {
      for (let times = 0; times < FAULT_ROUNDS; times++) await round()
    },
    FAULT_ROUNDS * ROUND_MS_MAX,
  )
}

/**
 * Loads a deployment, has the fault happen, waits until each partition serves again, and checks everything.
 * @param fault resolves when the fault is over, or nothing more is to be done about it
 */
export async function faultUnderLoad(
  what: string,
  deployment: Deployment,
  load: DeploymentLoad,
  fault: () => Promise<void>,
): Promise<FaultSeen> {
  load.start()
  await untilAcknowledged(deployment, load, BEFORE)
  load.mark()
  await fault()
  await untilAcknowledged(deployment, load, AFTER)
  const awaySeconds = load.awaySeconds()
  await load.end()
  const chains = await expectExact(deployment, load)
  const counted = chains.map(({ partition, transfers, epoch, voids }) => `${partition}: ${transfers} transfers, epoch ${epoch}, ${voids} void`) // prettier-ignore
  process.stdout.write(`${what}: service away for ${awaySeconds} s (${counted.join('; ')})\n`)
  return { awaySeconds, chains }
}

/** Waits until so many transfers more of each partition have been acknowledged. */
export async function untilAcknowledged(
  deployment: Deployment,
  load: DeploymentLoad,
  more: number,
): Promise<void> {
  const wanted = load.pairs.map(({ partition }) => load.count(partition) + more)
  await deployment.until(
    `transfers of each partition are acknowledged`,
    () => load.pairs.every(({ partition }) => load.count(partition) >= wanted[partition]!),
    AWAY_MS_MAX,
  )
}

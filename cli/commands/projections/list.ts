/** `purser projections list` and `status`: every version, and what is wrong with it. */
import type { Command } from 'commander'
import { graphql } from '../../graphql-client.ts'
import type { GivenOptions } from '../../options.ts'
import { CommandFailure } from '../../output/failure.ts'
import type { Output } from '../../output/output.ts'
import type { Run } from '../command.ts'
import { addTarget, shownPosition, withTarget } from './operate.ts'

export interface ProjectionVersion {
  readonly name: string
  readonly version: number
  readonly declared: number
  readonly kind: string
  readonly role: string
  readonly state: string
  readonly position: string
  readonly lagEvents: string
  readonly heldEvents: string
  readonly progress: number
  readonly share: number
  readonly untilPosition: string | null
  readonly untilTime: string | null
  readonly reason: string
  readonly faults: readonly { readonly partition: number; readonly sequence: string | null; readonly cause: string }[]
  readonly skips: readonly { readonly partition: number; readonly sequence: string; readonly reason: string; readonly by: string; readonly at: string }[]
} // prettier-ignore

const VERSIONS = `query Versions($name: String) { projectionVersions(name: $name) {
  name version declared kind role state position lagEvents heldEvents progress share untilPosition untilTime reason
  faults { partition sequence cause } skips { partition sequence reason by at } } }`

/** All versions that are not dropped, or those of one projection. */
export async function versionsOf(url: string, name?: string): Promise<readonly ProjectionVersion[]> {
  type Answer = { readonly projectionVersions: readonly ProjectionVersion[] }
  return (await graphql<Answer>(url, VERSIONS, name === undefined ? {} : { name })).projectionVersions
}

export function addListing(projections: Command, run: Run): void {
  const list = projections
    .command('list')
    .description('every version of every projection: its role, its state, how far it is')
  addTarget(list).action((options: GivenOptions) =>
    run(options, (output) => withTarget(options, output, ({ url }) => show(url, undefined, output))),
  )
  const status = projections
    .command('status [NAME]')
    .description('the same with what stopped a version, what was left out of it, and why it has its role; exit code 0 if none has stopped')
  addTarget(status).action((name: string | undefined, options: GivenOptions) =>
    run(options, (output) => withTarget(options, output, ({ url }) => showStatus(url, name, output))),
  )
} // prettier-ignore

async function show(url: string, name: string | undefined, output: Output): Promise<void> {
  const versions = await versionsOf(url, name)
  output.answer({ ok: true, url, versions }, versions.map(line).join('\n'))
}

async function showStatus(url: string, name: string | undefined, output: Output): Promise<void> {
  const versions = await versionsOf(url, name)
  if (versions.length === 0 && name !== undefined)
    throw new CommandFailure('projection_refused', `${name}: There is no projection of this name. See: purser projections list.`, { refusal: 'unknown_projection' })
  const ok = versions.every(({ faults }) => faults.length === 0)
  output.answer({ ok, url, versions }, versions.flatMap((one) => [line(one), ...details(one)]).join('\n'))
  if (!ok) process.exitCode = 1
} // prettier-ignore

function line({ name, version, kind, role, state, progress, lagEvents, position }: ProjectionVersion): string {
  const share = `${Math.floor(progress * 1_000) / 10} %`
  return `${name.padEnd(16)} v${String(version).padEnd(4)} ${kind.toLowerCase().padEnd(5)} ${role.toLowerCase().padEnd(9)} ${state.toLowerCase().padEnd(12)} ${share.padStart(7)}  ${lagEvents} events behind, at ${shownPosition(position)}`
} // prettier-ignore

function details(one: ProjectionVersion): readonly string[] {
  const { reason, faults, skips, untilPosition, untilTime } = one
  const until = untilPosition === null ? untilTime : shownPosition(untilPosition)
  return [
    `  ${reason}`,
    ...(until === null ? [] : [`  ends at ${until}`]),
    ...faults.map(
      ({ partition, sequence, cause }) =>
        `  stopped ${sequence === null ? `in partition ${partition}` : `at ${partition}:${sequence}`}: ${cause}`,
    ),
    ...skips.map(
      ({ partition, sequence, reason: why, by, at }) =>
        `  without ${partition}:${sequence}, left out by ${by} at ${at}: ${why}`,
    ),
  ]
}

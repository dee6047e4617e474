/** `purser projections`: how far the views of a running platform are; and the verbs behind it, a file each or a few alike. */
import { graphql } from '../../graphql-client.ts'
import { addJson, addSettings, type GivenOptions } from '../../options.ts'
import type { Output } from '../../output/output.ts'
import { requireRunning } from '../../target.ts'
import type { AddCommand } from '../command.ts'
import { addAdd } from './add.ts'
import { addProjectionsCheck } from './check.ts'
import { addComparing } from './compare.ts'
import { addListing } from './list.ts'
import { addRebuild } from './rebuild.ts'
import { addVerbs } from './verbs.ts'
import { describeTrend, type LagTrend } from '../../output/lag-trend.ts'

const QUERY = `{ projections { name version state lagEvents lagSeconds lagTrend { direction eventsPerSecond seconds } pumpAlive pumpAgeSeconds failure position } }`

interface Projection {
  readonly name: string
  readonly version: number
  readonly state: string
  readonly lagEvents: string
  readonly lagSeconds: number
  readonly lagTrend: LagTrend | null
  readonly pumpAlive: boolean
  readonly pumpAgeSeconds: number
  readonly failure: string | null
  readonly position: string
}

export const addProjections: AddCommand = (program, run) => {
  const command = program
    .command('projections')
    .enablePositionalOptions()
    .description('how far the views of a running platform are; exit code 0 if all of them move')
    .option('--url <URL>', 'the platform; default: the one that runs on the data folder')
  addSettings(command, ['data'])
  addJson(command).action((options: GivenOptions) => run(options, (output) => show(options, output)))
  addListing(command, run)
  addAdd(command, run)
  addProjectionsCheck(command, run)
  addVerbs(command, run)
  addRebuild(command, run)
  addComparing(command, run)
}

async function show(options: GivenOptions, output: Output): Promise<void> {
  const url = await requireRunning(options)
  const { projections } = await graphql<{ projections: readonly Projection[] }>(url, QUERY)
  const ok = projections.every(isMoving)
  output.answer({ ok, url, projections }, projections.map(describe).join('\n'))
  if (!ok) process.exitCode = 1
}

/** One that is paused moves no more than one that has stopped: somebody has to do something. */
function isMoving({ state, pumpAlive }: Projection): boolean {
  return pumpAlive && state !== 'PAUSED'
}

function describe(projection: Projection): string {
  const { name, version, state, lagEvents, lagSeconds, lagTrend, pumpAgeSeconds, failure } = projection
  const still = isMoving(projection) ? '' : `  its pump has not moved for ${Math.floor(pumpAgeSeconds)} s`
  const trouble = `${still}${failure === null ? '' : `  ${failure}`}`
  return `${name.padEnd(10)} v${version}  ${state.padEnd(12)} ${lagEvents} events, ${lagSeconds} s behind${describeTrend(lagTrend)}${trouble}`
}

/** `purser projections`: how far the views of a running platform are. */
import { graphql } from '../graphql-client.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { requireRunning } from '../target.ts'
import type { AddCommand } from './command.ts'
import { addProjectionsCheck } from './projections-check.ts'

const QUERY = `{ projections { name version state lagEvents lagSeconds pumpAgeSeconds failure position } }`

interface Projection {
  readonly name: string
  readonly version: number
  readonly state: string
  readonly lagEvents: string
  readonly lagSeconds: number
  readonly pumpAgeSeconds: number
  readonly failure: string | null
  readonly position: string
}

/** A pump that has not looked for work for so long is not alive, whatever its lag says. */
const PUMP_AGE_SECONDS_MAX = 30

export const addProjections: AddCommand = (program, run) => {
  const command = program
    .command('projections')
    .description('how far the views of a running platform are; exit code 0 if all of them move')
    .option('--url <URL>', 'the platform; default: the one that runs on the data folder')
  addSettings(command, ['data'])
  addJson(command).action((options: GivenOptions) => run(options, (output) => show(options, output)))
  addProjectionsCheck(command, run)
}

async function show(options: GivenOptions, output: Output): Promise<void> {
  const url = await requireRunning(options)
  const { projections } = await graphql<{ projections: readonly Projection[] }>(url, QUERY)
  const ok = projections.every(isMoving)
  output.answer({ ok, url, projections }, projections.map(describe).join('\n'))
  if (!ok) process.exitCode = 1
}

/** One that is paused moves no more than one that has stopped: somebody has to do something. */
function isMoving({ state, pumpAgeSeconds }: Projection): boolean {
  return !['STOPPED', 'STALLED', 'PAUSED'].includes(state) && pumpAgeSeconds <= PUMP_AGE_SECONDS_MAX
}

function describe(projection: Projection): string {
  const { name, version, state, lagEvents, lagSeconds, pumpAgeSeconds, failure } = projection
  const still = isMoving(projection) ? '' : `  its pump has not moved for ${Math.floor(pumpAgeSeconds)} s`
  const trouble = `${still}${failure === null ? '' : `  ${failure}`}`
  return `${name.padEnd(10)} v${version}  ${state.padEnd(12)} ${lagEvents} events, ${lagSeconds} s behind${trouble}`
}

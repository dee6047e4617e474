/** `purser status`: whether a running platform takes commands and answers reads, how far its views are, and, where the writers are its own, how old its newest snapshots are. */
import { z } from 'zod'
import { PURPOSES, type Purpose } from '../../gateway/doors/readiness.ts'
import { CommandFailure } from '../output/failure.ts'
import { askPlatform } from '../ask.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import { describeTrend } from '../output/lag-trend.ts'
import type { Output } from '../output/output.ts'
import { requireRunning } from '../target.ts'
import type { AddCommand } from './command.ts'

const ANSWER_MS_MAX = 10_000

/** What `/readyz` of the platform answers; that of a gateway knows no snapshots. */
const purposeSchema = z.object({ ready: z.boolean(), reasons: z.array(z.string()) })
const answerSchema = z.object({
  ready: z.boolean(),
  reasons: z.array(z.string()),
  commands: purposeSchema,
  reads: purposeSchema,
  projections: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      lagEvents: z.string(),
      lagSeconds: z.number(),
      pumpAgeSeconds: z.number(),
      pumpAlive: z.boolean(),
      lagTrend: z
        .object({ direction: z.string(), eventsPerSecond: z.number(), seconds: z.number() })
        .nullable(),
      failure: z.string().nullable(),
    }),
  ),
  writers: z.array(
    z.object({
      partition: z.number(),
      state: z.string(),
      snapshot: z
        .object({
          sequence: z.string(),
          ageSeconds: z.number(),
          bytes: z.number(),
          durationMs: z.number().nullable(),
        })
        .nullable()
        .optional(),
      snapshotUnderWay: z.boolean().optional(),
    }),
  ),
})
type Status = z.infer<typeof answerSchema>

export const addStatus: AddCommand = (program, run) => {
  const command = program
    .command('status')
    .description(
      'whether a running platform takes commands and answers reads, and how old its newest snapshots are; exit code 0 if it does',
    )
    .option('--for <PURPOSE>', 'only `commands`, or only `reads`; default: both')
    .option('--url <URL>', 'the platform; default: the one that runs on the data folder')
  addSettings(command, ['data'])
  addJson(command).action((options: GivenOptions) => run(options, (output) => show(options, output)))
}

async function show(options: GivenOptions, output: Output): Promise<void> {
  const purpose = purposeOf(options.for)
  const url = await requireRunning(options)
  const status = await ask(url, purpose)
  const lines = [
    status.ready ? `ready at ${url}` : `not ready at ${url}`,
    `commands   ${status.commands.ready ? 'ready' : 'not ready'}`,
    `reads      ${status.reads.ready ? 'ready' : 'not ready'}`,
    ...status.reasons,
    ...status.writers.map(describe),
    ...status.projections.map(describeProjection),
  ]
  output.answer({ ok: status.ready, url, ...status }, lines.join('\n'))
  if (!status.ready) process.exitCode = 1
}

/** @throws CommandFailure `usage` for what nobody can be ready for */
function purposeOf(given: string | undefined): Purpose | undefined {
  const purpose = PURPOSES.find((one) => one === given)
  if (given !== undefined && purpose === undefined)
    throw new CommandFailure(
      'usage',
      `--for: expected ${PURPOSES.join(' or ')}. Leave it away to ask for both.`,
    )
  return purpose
}

async function ask(url: string, purpose: Purpose | undefined): Promise<Status> {
  const query = purpose === undefined ? '' : `?for=${purpose}`
  const answer = await askPlatform(url, `/readyz${query}`, ANSWER_MS_MAX)
  const status = answerSchema.safeParse(answer)
  if (status.success) return status.data
  throw new CommandFailure(
    'platform_unavailable',
    `What answers at ${url} is no platform of this version. Check --url, and that both sides are of one version.`,
  )
}

function describe({ partition, state, snapshot, snapshotUnderWay }: Status['writers'][number]): string {
  if (snapshot === undefined) return `partition ${partition}  ${state}`
  const next = snapshotUnderWay === true ? ', another one under way' : ''
  const newest =
    snapshot === null
      ? 'no snapshot yet'
      : `snapshot at ${snapshot.sequence}, ${snapshot.ageSeconds} s old, ${snapshot.bytes} bytes`
  return `partition ${partition}  ${state}  ${newest}${next}`
}

function describeProjection(projection: Status['projections'][number]): string {
  const { name, state, lagEvents, lagSeconds, lagTrend, pumpAlive, pumpAgeSeconds, failure } = projection
  const still = pumpAlive ? '' : `  its pump has not moved for ${Math.floor(pumpAgeSeconds)} s`
  const trouble = failure === null ? '' : `  ${failure}`
  return `${name.padEnd(10)} ${state.padEnd(12)} ${lagEvents} events, ${lagSeconds} s behind${describeTrend(lagTrend)}${still}${trouble}`
}

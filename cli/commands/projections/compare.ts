/** `purser projections compare` and `promote`: does the version that was built say the same as the one that serves? */
import type { Command } from 'commander'
import type { GivenOptions } from '../../options.ts'
import { CommandFailure } from '../../output/failure.ts'
import type { Output } from '../../output/output.ts'
import type { Run } from '../command.ts'
import {
  addTarget,
  ask,
  givenPosition,
  givenVersion,
  requireDone,
  shownPosition,
  withTarget,
  type ComparedTable,
  type Comparison,
} from './operate.ts'

type Flags = GivenOptions & {
  readonly version?: string
  readonly at?: string
  readonly acceptDifferences?: string
}

export function addComparing(projections: Command, run: Run): void {
  const compare = projections
    .command('compare <NAME>')
    .description('compare a version with the one that serves, at one position: counts, totals, digests, rows; exit code 1 if they differ')
    .option('--version <N>', 'which; default: the one that was built last')
    .option('--at <POSITION>', 'where, such as 0:1042; default: up to where both are')
  addTarget(compare).action((name: string, options: Flags) =>
    run(options, (output) => compareVersions(name, options, output)),
  )
  const promote = projections
    .command('promote <NAME>')
    .description('let the version serve that was built, once it is proven to hold the same; the one before is kept')
    .option('--version <N>', 'which; default: the one that was built last')
    .option('--accept-differences <REASON>', 'let it serve though it differs; the reason is recorded')
  addTarget(promote).action((name: string, options: Flags) =>
    run(options, (output) => promoteVersion(name, options, output)),
  )
} // prettier-ignore

async function compareVersions(name: string, options: Flags, output: Output): Promise<void> {
  const version = givenVersion(options.version)
  const at = options.at === undefined ? undefined : givenPosition('--at', options.at)
  await withTarget(options, output, async ({ url }) => {
    const outcome = await ask(url, 'compareProjection', {
      name: ['String!', name],
      version: ['Int', version],
      at: ['Position', at],
    })
    const { comparison } = outcome
    if (comparison === null) throw refusalOf(outcome)
    output.answer({ ok: comparison.equal, comparison }, describeComparison(comparison))
    if (!comparison.equal) process.exitCode = 1
  })
}

async function promoteVersion(name: string, options: Flags, output: Output): Promise<void> {
  const version = givenVersion(options.version)
  await withTarget(options, output, async ({ url }) => {
    const outcome = await ask(url, 'promoteProjection', {
      name: ['String!', name],
      version: ['Int', version],
      acceptDifferences: ['String', options.acceptDifferences],
    })
    const { comparison } = outcome
    if (outcome.__typename === 'ProjectionRefused' && comparison !== null)
      throw new CommandFailure(
        'projection_refused',
        `${describeComparison(comparison)}\n${outcome.message ?? ''} Nothing was changed. Look into what differs, or say --accept-differences REASON.`,
        { refusal: outcome.code, comparison },
      )
    const done = requireDone(outcome)
    output.answer({ ok: true, ...done, comparison }, `${name} version ${done.version} serves. Back: purser projections rollback ${name}`)
  })
} // prettier-ignore

function refusalOf(outcome: Parameters<typeof requireDone>[0]): Error {
  try {
    requireDone(outcome)
  } catch (error) {
    return error as Error
  }
  return new CommandFailure('platform_unavailable', 'The platform compared nothing. Are both sides of one version?')
} // prettier-ignore

/** What was compared and what differs, for people. */
export function describeComparison({ projection, left, right, at, equal, tables }: Comparison): string {
  const verdict = equal ? 'are equal' : 'differ'
  return [
    `${projection}: version ${left}, which serves, and version ${right} ${verdict} at ${shownPosition(at)}.`,
    ...tables.flatMap((table) => describeTable(table, left, right)),
  ].join('\n')
}

function describeTable(table: ComparedTable, left: number, right: number): readonly string[] {
  const { state, reason, rows, digests, totals, differences, hasMore, notCompared } = table
  const isSame = digests.left === digests.right
  return [
    `  ${table.table}: ${state.toLowerCase().replaceAll('_', ' ')}${reason === null ? '' : `, ${reason}`}`,
    `    rows     ${rows.left}${rows.left === rows.right ? '' : ` and ${rows.right}`}`,
    ...(digests.left === '' ? [] : [`    digest   ${digests.left}${isSame ? '' : ` and ${digests.right}`}`]),
    ...totals.map(
      (total) =>
        `    total    ${total.column} ${total.currency || 'of unknown accounts'}: ${total.left}${total.left === total.right ? '' : ` and ${total.right}`}`,
    ),
    ...differences.flatMap(({ key, left: ours, right: theirs }) => [
      `    differs  ${key}`,
      `      version ${left}: ${ours.join('; ') || 'no such row'}`,
      `      version ${right}: ${theirs.join('; ') || 'no such row'}`,
    ]),
    ...(hasMore ? ['    and more rows that are not named here'] : []),
    ...(notCompared.length === 0 ? [] : [`    columns that only one has: ${notCompared.join(', ')}`]),
  ]
}

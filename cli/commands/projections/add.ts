/** `purser projections add FILE`: gives a running platform one view more. SQL is data, so it can be sent. */
import type { Command } from 'commander'
import type { SqlProjection } from '../../../projectors/projection.ts'
import type { GivenOptions } from '../../options.ts'
import { CommandFailure } from '../../output/failure.ts'
import type { Output } from '../../output/output.ts'
import { modulesFolder } from '../../views.ts'
import type { Run } from '../command.ts'
import { addTarget, ask, requireDone, withTarget } from './operate.ts'

export function addAdd(projections: Command, run: Run): void {
  const command = projections
    .command('add <FILE>')
    .description('add the SQL view in a file: it is filled from the first event on, and goes live by itself')
  addTarget(command).action((file: string, options: GivenOptions) =>
    run(options, (output) => add(file, options, output)),
  )
}

async function add(file: string, options: GivenOptions, output: Output): Promise<void> {
  const { loadOne } = await import('../../../platform/projections/load.ts')
  const { view } = await loadOne(file, modulesFolder())
  const { projection } = view
  if (projection.kind !== 'sql')
    throw new CommandFailure(
      'usage',
      `${projection.name} is ${projection.kind === 'code' ? 'code' : 'a sink'}, which cannot be sent to a platform that runs: start it with --projection ${file}, or list the file in purser.config.ts.`,
    )
  await withTarget(options, output, async ({ url }) => {
    const outcome = await ask(url, 'addProjection', {
      definition: ['ProjectionDefinitionInput!', definitionOf(projection)],
    })
    const done = requireDone(outcome)
    const fields = view.addToSchema === undefined ? '' : ` Its GraphQL fields come with the next start with --projection ${file}.`
    output.answer({ ok: true, ...done }, `${done.name} version ${done.version} is being filled. Watch it: purser projections status ${done.name}.${fields}`)
  })
} // prettier-ignore

function definitionOf({ name, version, partitioning, tables }: SqlProjection): object {
  return {
    name,
    version,
    ...(partitioning === undefined ? {} : { partitioning: partitioning.toUpperCase() }),
    tables: tables.map(({ columns, ...rest }) => ({
      ...rest,
      columns: columns.map(([column, type]) => ({ name: column, type })),
    })),
  }
}

/** The operator's door: one program, a subcommand a file, every failure reported in one place. */
import { Command, CommanderError } from 'commander'
import { addArchive } from './commands/archive.ts'
import { addAudit } from './commands/audit.ts'
import type { AddCommand, Run } from './commands/command.ts'
import { addDemo } from './commands/demo.ts'
import { addGateway } from './commands/gateway.ts'
import { addId } from './commands/id.ts'
import { addImport } from './commands/import.ts'
import { addProjections } from './commands/projections.ts'
import { addProjector } from './commands/projector.ts'
import { addStart } from './commands/start.ts'
import { addStatus } from './commands/status.ts'
import { addTopics } from './commands/topics.ts'
import { addUsers } from './commands/users.ts'
import { addWriter } from './commands/writer.ts'
import { isDebugging } from './config.ts'
import { createOutput } from './output.ts'
import { reportFailure } from './report-failure.ts'
import type { OutageBounds } from './roles/outage-bounds.ts'

const COMMANDS: readonly AddCommand[] = [
  addStart,
  addDemo,
  addImport,
  addAudit,
  addArchive,
  addProjections,
  addStatus,
  addTopics,
  addUsers,
  addWriter,
  addProjector,
  addGateway,
  addId,
]

/**
 * Runs one command and ends the process with its exit code: 0 if what the command claims holds, 1 if not, 2 for wrong use.
 * @param args what stands behind the program's name
 * @param bounds for tests
 */
export async function main(args: readonly string[], bounds: OutageBounds = {}): Promise<void> {
  const json = args.includes('--json')
  guardProcess(json)
  const program = new Command('purser')
    .description(
      'An event-sourced wallet platform: single-writer core, event log, ClickHouse views, GraphQL.',
    )
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .showSuggestionAfterError()
  for (const add of COMMANDS) add(program, run, bounds)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return
    if (error instanceof CommanderError && error.code === 'commander.help') {
      process.stderr.write(program.helpInformation())
      process.exitCode = 2
      return
    }
    process.exitCode = reportFailure(error, createOutput(json, process), isDebugging())
  }
}

/** What nobody caught is broken logic: it ends the process, with a sentence like every other failure. */
function guardProcess(json: boolean): void {
  const end = (error: unknown): void => {
    process.exit(reportFailure(error, createOutput(json, process), isDebugging()))
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
  // Whoever reads our output may leave early: `purser demo | head`.
  process.stdout.on('error', () => undefined)
}

const run: Run = async (options, work) => {
  const output = createOutput(options.json === true, process)
  try {
    await work(output)
  } catch (error) {
    process.exitCode = reportFailure(error, output, isDebugging())
  }
}

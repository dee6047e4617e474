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
import { isDebugging } from '../platform/configuration/config.ts'
import { CommandFailure } from './output/failure.ts'
import { addJson } from './options.ts'
import { createOutput, type Output } from './output/output.ts'
import { reportFailure } from './output/report-failure.ts'
import type { OutageBounds } from '../platform/roles/outage-bounds.ts'
import { programVersion } from './version.ts'

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
  const output = createOutput(wantsJson(args), process)
  guardProcess(output)
  await runCommand(args, output, bounds)
}

/** Runs one command with an output of the caller's, and leaves its exit code in the process. */
export async function runCommand(
  args: readonly string[],
  output: Output,
  bounds: OutageBounds = {},
): Promise<void> {
  const written: string[] = []
  const write = (text: string): void => void written.push(text)
  const version = programVersion()
  const program = new Command('purser')
    .description(
      'An event-sourced wallet platform: single-writer core, event log, ClickHouse views, GraphQL.',
    )
    .version(version, '-V, --version', 'print the version of this program')
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: write })
    .showSuggestionAfterError()
  addJson(program)
  const run: Run = async (_options, work) => {
    try {
      await work(output)
    } catch (error) {
      process.exitCode = reportFailure(error, output, isDebugging())
    }
  }
  for (const add of COMMANDS) add(program, run, bounds)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    const text = written.join('').trimEnd()
    if (!(error instanceof CommanderError)) process.exitCode = reportFailure(error, output, isDebugging())
    else if (error.code === 'commander.version')
      output.answer({ ok: true, version, node: process.version }, text)
    else if (error.exitCode === 0) output.answer({ ok: true, help: text }, text)
    else if (error.code === 'commander.help') process.exitCode = tellHelp(args, text, output)
    else process.exitCode = reportFailure(error, output, isDebugging())
  }
}

/** `--json` wherever it stands, up to where options end. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).includes('--json')
}

/** What runs is no command, so how to name one is told in place of an answer. @returns the exit code */
function tellHelp(args: readonly string[], help: string, output: Output): number {
  const [first, unknown] = args.filter((arg) => arg !== '--json')
  const what =
    first === 'help' && unknown !== undefined ? `There is no command '${unknown}'` : 'Name a command'
  const failure = new CommandFailure('usage', `${what}. See: purser --help.`)
  if (!output.json) output.log(`${help}\n`)
  return reportFailure(failure, output, isDebugging())
}

/** What nobody caught is broken logic: it ends the process, with a sentence like every other failure. */
function guardProcess(output: Output): void {
  const end = (error: unknown): void => {
    process.exit(reportFailure(error, output, isDebugging()))
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
  // Whoever reads our output may leave early: `purser demo | head`.
  process.stdout.on('error', () => undefined)
}

/** The operator's door: one program, a subcommand a file, every failure reported in one place. */
import { Command, CommanderError } from 'commander'
import type { AddCommand, Run } from './commands/command.ts'
import { isDebugging } from '../platform/configuration/config.ts'
import { CommandFailure } from './output/failure.ts'
import { addJson } from './options.ts'
import { createOutput, type Output } from './output/output.ts'
import { reportFailure } from './output/report-failure.ts'
import type { OutageBounds } from '../platform/roles/outage-bounds.ts'
import { programVersion } from './version.ts'

/** In the order in which help lists them. Each is loaded when it is asked for: half of a short command's time was loading. */
const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  start: async () => (await import('./commands/start.ts')).addStart,
  demo: async () => (await import('./commands/demo.ts')).addDemo,
  import: async () => (await import('./commands/import.ts')).addImport,
  audit: async () => (await import('./commands/audit.ts')).addAudit,
  archive: async () => (await import('./commands/archive.ts')).addArchive,
  repartition: async () => (await import('./commands/repartition.ts')).addRepartition,
  projections: async () => (await import('./commands/projections/projections.ts')).addProjections,
  transfers: async () => (await import('./commands/transfers.ts')).addTransfers,
  status: async () => (await import('./commands/status.ts')).addStatus,
  topics: async () => (await import('./commands/topics.ts')).addTopics,
  users: async () => (await import('./commands/users.ts')).addUsers,
  writer: async () => (await import('./commands/writer.ts')).addWriter,
  projector: async () => (await import('./commands/projector.ts')).addProjector,
  gateway: async () => (await import('./commands/gateway.ts')).addGateway,
  id: async () => (await import('./commands/id.ts')).addId,
}

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
    // What stands behind a command is the command's: `--version` of a projection is no question for the program.
    .enablePositionalOptions()
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
  for (const add of await commandsFor(args)) add(program, run, bounds)
  try {
    await program.parseAsync(withoutJson(args), { from: 'user' })
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

/** The command that is named; all of them where none is, for help and for what was meant. */
function commandsFor(args: readonly string[]): Promise<readonly AddCommand[]> {
  const named = args.find((arg) => !arg.startsWith('-'))
  const isCommand = named !== undefined && Object.hasOwn(COMMANDS, named)
  return Promise.all((isCommand ? [COMMANDS[named]!] : Object.values(COMMANDS)).map((load) => load()))
}

/** `--json` wherever it stands, up to where options end. */
function wantsJson(args: readonly string[]): boolean {
  return args.slice(0, endOfOptions(args)).includes('--json')
}

/** It is the program's, also behind a command: never the value of an option before it, nor an option that a group lacks. */
function withoutJson(args: readonly string[]): string[] {
  const end = endOfOptions(args)
  return args.filter((arg, index) => index >= end || arg !== '--json')
}

function endOfOptions(args: readonly string[]): number {
  const end = args.indexOf('--')
  return end === -1 ? args.length : end
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

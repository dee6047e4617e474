/** `purser archive`: moves segments of the log that lie wholly in the past to another folder. */
import path from 'node:path'
import { sqlProjectionsOf } from '../../gateway/view.ts'
import { archiveLog, type ArchiveReport } from '../archive.ts'
import { readConfig } from '../../platform/configuration/config.ts'
import { CommandFailure } from '../output/failure.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { findRunning } from '../target.ts'
import { VIEW_SETTINGS, viewsOf } from '../views.ts'
import type { AddCommand } from './command.ts'

type ArchiveFlags = GivenOptions & {
  readonly to: string
  readonly dryRun?: boolean
}

export const addArchive: AddCommand = (program, run) => {
  const command = program
    .command('archive')
    .description(
      'move segments of the log that no start and no view needs any more to another folder (docs/archive.md); ' +
        'at rest, or beside a platform that runs',
    )
    .requiredOption('--to <DIR>', 'the archive; the same one each time, or where it was moved to')
    .option('--dry-run', 'say what would be moved, and change nothing')
  addSettings(command, ['data', 'engineMemory', ...VIEW_SETTINGS])
  addJson(command).action((options: ArchiveFlags) => run(options, (output) => archive(options, output)))
}

async function archive(options: ArchiveFlags, output: Output): Promise<void> {
  // An empty path would mean the folder that this runs in, which nobody names so.
  if (options.to === '') throw new CommandFailure('usage', '--to: expected a path.')
  const config = readConfig(options)
  const folder = path.resolve(options.to)
  const dryRun = options.dryRun === true
  const report = await archiveLog({
    dataDir: path.resolve(config.dataDir),
    archive: folder,
    dryRun,
    url: findRunning({ data: config.dataDir }),
    engineMemoryBytes: config.engineMemoryBytes,
    projections: sqlProjectionsOf(await viewsOf(options)),
    log: (line) => output.log(line),
  })
  output.answer({ ok: true, dryRun, archive: folder, ...report }, describe(report, folder, dryRun))
}

function describe({ segments, oldestSnapshot, views }: ArchiveReport, folder: string, dryRun: boolean): string {
  if (segments.length === 0)
    return (
      'Nothing to move: every segment is still needed, or is the newest. ' +
      `The oldest snapshot stands at ${oldestSnapshot}, the views at ${views} (partition:event).`
    )
  const mebibytes = segments.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20
  const what = `${segments.length} segments (${mebibytes.toFixed(1)} MiB), ${eventsOf(segments).join(', ')}`
  return dryRun
    ? `Would move ${what}, to ${folder}.`
    : `Moved ${what}, to ${folder}. Audits and rebuilt views read them there: keep it as safe as the data folder.`
} // prettier-ignore

/** Which events the segments hold, partition after partition. */
function eventsOf(segments: ArchiveReport['segments']): string[] {
  const partitions = [...new Set(segments.map(({ partition }) => partition))]
  return partitions.map((partition) => {
    const own = segments.filter((segment) => segment.partition === partition)
    return `events ${own[0]!.firstSequence} to ${own.at(-1)!.lastSequence} of partition ${partition}`
  })
}

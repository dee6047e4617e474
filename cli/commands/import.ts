/** `purser import FILE`: accounts and transfers from NDJSON or CSV, through the public bulk lane. */
import path from 'node:path'
import { Option } from 'commander'
import { CommandFailure } from '../output/failure.ts'
import { IMPORT_NAME_WANTED, isImportName } from '../../gateway/imports/import-registry.ts'
import { importLines } from '../import/import-lines.ts'
import { progressBar } from '../import/progress.ts'
import { findEncodingFault, importLinesOf, type ImportFormat } from '../import/file/read-file.ts'
import { describeReport } from '../import/report.ts'
import { findSource, type Source } from '../import/source.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { openTarget } from '../target.ts'
import { VIEW_SETTINGS } from '../views.ts'
import type { AddCommand } from './command.ts'

type ImportFlags = GivenOptions & {
  readonly name?: string
  readonly format?: ImportFormat
  readonly onError: 'stop' | 'skip'
}

export const addImport: AddCommand = (program, run) => {
  const command = program
    .command('import <FILE>')
    .description('load accounts and transfers (docs/import-format.md); run again, it changes nothing')
    .option('--url <URL>', 'platform to load into; default: the one that runs on the data folder, or one started for this')
    .option('--name <NAME>', 'name of the import: the same file, the same name; default: the name of the file')
    .addOption(new Option('--format <FORMAT>', 'default: told by the name of the file').choices(['ndjson', 'csv']))
    .addOption(new Option('--on-error <WHAT>', 'what a bad line does').choices(['stop', 'skip']).default('stop'))
  addSettings(command, ['data', 'partitions', 'currency', 'engineMemory', ...VIEW_SETTINGS])
  addJson(command).action((file: string, options: ImportFlags) =>
    run(options, (output) => importFile(file, options, output)),
  )
} // prettier-ignore

async function importFile(file: string, options: ImportFlags, output: Output): Promise<void> {
  if (file === '') throw new CommandFailure('usage', 'FILE: expected a path, or - for standard input.')
  const source = await findSource(file)
  const name = nameOf(file, source, options)
  const target = await openTarget(options, output)
  const bar = progressBar(output, source.bytes)
  try {
    const report = await importLines({
      url: target.url,
      name,
      lines: importLinesOf(source, file, options.format),
      leave: () => source.leave(),
      ...(options.onError === 'stop' ? { findFault: () => findEncodingFault(source) } : {}),
      onError: options.onError,
      onProgress: (lines) => bar.update(source.bytesRead(), lines),
      log: (line) => output.log(line),
    })
    bar.stop()
    output.answer({ ok: true, ...report }, describeReport(report))
  } finally {
    bar.stop()
    await target.close()
  }
}

/**
 * The name of an import: its rows are known by it again.
 * @throws CommandFailure `usage` for what is none, and where there is none to be had
 */
function nameOf(file: string, source: Source, { name }: ImportFlags): string {
  if (name === undefined && source.isNameless)
    throw new CommandFailure(
      'usage',
      'What comes through a pipe has no name of its own: give it one with --name, and the same one whenever it is imported again, so that no row is loaded twice.',
    )
  const chosen = name ?? path.basename(file)
  if (!isImportName(chosen))
    throw new CommandFailure('usage', `The name of an import has ${IMPORT_NAME_WANTED}. Give it one with --name.`)
  return chosen
} // prettier-ignore

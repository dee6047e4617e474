/** `purser import FILE`: accounts and transfers from NDJSON or CSV, through the public bulk lane. */
import path from 'node:path'
import { Option } from 'commander'
import { CommandFailure } from '../failure.ts'
import { isExternalName, NAME_BYTES_MAX } from '../external-ids.ts'
import { importLines } from '../import/import-lines.ts'
import { progressBar } from '../import/progress.ts'
import { openImportFile, type ImportFormat } from '../import/read-file.ts'
import { describeReport } from '../import/report.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output.ts'
import { openTarget } from '../target.ts'
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
  addSettings(command, ['data', 'partitions', 'currency', 'engineMemory'])
  addJson(command).action((file: string, options: ImportFlags) =>
    run(options, (output) => importFile(file, options, output)),
  )
} // prettier-ignore

async function importFile(file: string, options: ImportFlags, output: Output): Promise<void> {
  const name = options.name ?? path.basename(file)
  if (!isExternalName(name))
    throw new CommandFailure('usage', `--name: expected text of 1 to ${NAME_BYTES_MAX} bytes.`)
  const opened = await openImportFile(file, options.format)
  const target = await openTarget(options, output)
  const bar = progressBar(output, opened.bytes)
  try {
    const report = await importLines({
      url: target.url,
      name,
      lines: opened.lines,
      onError: options.onError,
      onProgress: (lines) => bar.update(opened.bytesRead(), lines),
    })
    bar.stop()
    output.answer({ ok: true, ...report }, describeReport(report))
  } finally {
    bar.stop()
    await target.close()
  }
}

/** `purser projections check FILE`: is a view fit, told before any event is read? */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Command } from 'commander'
import { CommandFailure } from '../../output/failure.ts'
import { addJson, type GivenOptions } from '../../options.ts'
import type { Output } from '../../output/output.ts'
import { modulesFolder } from '../../views.ts'
import type { Run } from '../command.ts'

/** Adds it below `purser projections`. */
export function addProjectionsCheck(projections: Command, run: Run): void {
  const command = projections
    .command('check <FILE>')
    .description(
      'try the view in a file on sample events of every kind (docs/projections.md); exit code 0 only if nothing is wrong with it',
    )
  addJson(command).action((file: string, options: GivenOptions) =>
    run(options, (output) => check(file, output)),
  )
}

async function check(file: string, output: Output): Promise<void> {
  const { loadOne } = await import('../../../platform/projections/load.ts')
  const { checkView } = await import('../../../platform/projections/check/check.ts')
  const { describeFaults } = await import('../../../platform/projections/errors.ts')
  const authored = await loadOne(file, modulesFolder())
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'purser-check-'))
  try {
    const { faults, ...report } = await checkView(authored, scratch)
    if (faults.length > 0)
      throw new CommandFailure('projection_unfit', describeFaults(faults).join('\n'), { ...report, faults })
    const { name, kind, version, events, rows } = report
    const made = Object.entries(rows).map(([table, count]) =>
      kind === 'sink' ? `${count} messages` : `${count} rows of ${table}`,
    )
    const text = `${name} (${kind}, version ${version}) is fit: ${events} sample events made ${made.join(', ') || 'nothing'}, the same each time.`
    output.answer({ ok: true, ...report }, text)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

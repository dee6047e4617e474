/** `purser repartition`: a new data folder with another number of partitions, of the logs of an old one. */
import type { GivenOptions } from '../options.ts'
import { addJson } from '../options.ts'
import { CommandFailure } from '../output/failure.ts'
import type { Output } from '../output/output.ts'
import { rebuildBar } from '../output/rebuild-bar.ts'
import { repartitionFolder, type LogEnd } from '../../platform/repartition.ts'
import type { AddCommand } from './command.ts'

type Flags = GivenOptions & { readonly from?: string; readonly to?: string; readonly partitions?: string }

const PARTITIONS_MAX = 32

export const addRepartition: AddCommand = (program, run) => {
  const command = program
    .command('repartition')
    .description(
      'make a new data folder with another number of partitions out of one on which nothing runs (docs/repartition.md); ' +
        'the old one is only read; run again after a kill, it comes to the same',
    )
    .option('--from <DIR>', 'the data folder as it is')
    .option('--to <DIR>', 'the new data folder: empty, or not there yet')
    .option('--partitions <N>', `partitions of the new folder, 1 to ${PARTITIONS_MAX}`)
  addJson(command).action((options: Flags) => run(options, (output) => repartition(options, output)))
}

async function repartition(options: Flags, output: Output): Promise<void> {
  const from = given('--from', options.from)
  const to = given('--to', options.to)
  const partitions = Number(given('--partitions', options.partitions))
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX)
    throw new CommandFailure(
      'usage',
      `--partitions: expected a number from 1 to ${PARTITIONS_MAX}, got "${options.partitions!}".`,
    )
  const bar = rebuildBar(output)
  const startedMs = performance.now()
  try {
    const report = await repartitionFolder({
      from,
      to,
      partitions,
      progress: ({ done, goal }) => {
        // While the old logs are counted nobody knows how much there is.
        if (goal === 0n) return
        bar.update(done, goal, Number(done) / Math.max(0.001, (performance.now() - startedMs) / 1_000))
      },
    })
    bar.stop()
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10
    const { events, split, leftOut, accounts, holdsOpen } = report
    const old = positionOf(report.from)
    const position = positionOf(report.to)
    output.answer(
      { ok: true, from, to, partitions, oldPosition: old, position, events, split, leftOut, accounts, holdsOpen, seconds },
      [
        `${to} holds what ${from} held, in ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}: ${accounts} accounts, ${holdsOpen} open holds, ${events} events.`,
        `Split in halves: ${split}. Left out, because they only said again: ${leftOut}.`,
        `Position: ${position}; it was ${old}.`,
        `Next: purser audit --data ${to}, then purser start --data ${to}`,
      ].join('\n'),
    )
  } finally {
    bar.stop()
  }
} // prettier-ignore

function given(flag: string, value: string | undefined): string {
  if (value === undefined || value === '')
    throw new CommandFailure('usage', 'Say of which folder and into which one: purser repartition --from DATA_DIR --to NEW_DIR --partitions N.' + ` Missing: ${flag}.`)
  return value
} // prettier-ignore

/** `0:1042,1:7` */
function positionOf(ends: readonly LogEnd[]): string {
  return ends.map(({ partition, sequence }) => `${partition}:${sequence}`).join(',')
}

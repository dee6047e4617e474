/** `purser writer`: decides commands for the partitions that its group gives it, until it is told to stop. */
import { readWriterConfig } from '../../platform/configuration/config.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import { runRole } from '../run-role.ts'
import { startWriterRole } from '../../platform/roles/writer-role.ts'
import { settingsOf } from '../../platform/configuration/settings.ts'
import { stopRequested } from '../shutdown.ts'
import type { AddCommand } from './command.ts'

export const addWriter: AddCommand = (program, run, bounds) => {
  const command = program
    .command('writer')
    .description('run a writer on Kafka: it shares the partitions with the others (docs/distributed.md)')
  addSettings(command, settingsOf('writer'))
  addJson(command).action((options: GivenOptions) =>
    run(options, async (output) => {
      const { health, ...config } = readWriterConfig(options)
      await runRole({
        name: 'writer',
        health,
        output,
        stopAsked: stopRequested(),
        start: (log, signal) => startWriterRole({ ...config, ...bounds, log, signal }),
        describe: (_role, healthUrl) => ({
          object: { ok: true, role: 'writer', health: healthUrl, pid: process.pid },
          text: `A writer runs. Health: ${healthUrl}/readyz. Ctrl-C stops it.`,
        }),
      })
    }),
  )
}

/** `purser projector`: fills the views from the partitions that its group gives it, until it is told to stop. */
import { readProjectorConfig } from '../../platform/configuration/config.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import { projectionsNamed, startProjectorRole } from '../../platform/roles/projector-role.ts'
import { runRole } from '../run-role.ts'
import { settingsOf } from '../../platform/configuration/settings.ts'
import { stopRequested } from '../shutdown.ts'
import { viewsOf } from '../views.ts'
import type { AddCommand } from './command.ts'

export const addProjector: AddCommand = (program, run, bounds) => {
  const command = program
    .command('projector [NAMES...]')
    .description(
      'run a projector from Kafka to ClickHouse, for all projections or those named: it shares the partitions with the ' +
        'others of the same ones (docs/distributed.md)',
    )
  addSettings(command, settingsOf('projector'))
  addJson(command).action((names: readonly string[], options: GivenOptions) =>
    run(options, async (output) => {
      const { health, ...config } = readProjectorConfig(options)
      const views = await viewsOf(options)
      const projections = projectionsNamed(names, views)
      const shown = projections.running.map(({ name }) => name)
      await runRole({
        name: 'projector',
        health,
        output,
        stopAsked: stopRequested(),
        start: (log, signal) => startProjectorRole({ ...config, ...bounds, views, projections, log, signal }),
        describe: (_role, healthUrl) => ({
          object: { ok: true, role: 'projector', projections: shown, health: healthUrl, pid: process.pid },
          text: `A projector fills ${shown.join(', ')}. Health: ${healthUrl}/readyz. Ctrl-C stops it.`,
        }),
      })
    }),
  )
}

/** `purser gateway`: the doors over Kafka and ClickHouse, beside as many others as there are, until it is told to stop. */
import { readGatewayConfig } from '../../platform/configuration/config.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import { requireAddress } from '../reach.ts'
import { startGatewayRole } from '../../platform/roles/gateway-role.ts'
import { runRole } from '../run-role.ts'
import { settingsOf } from '../../platform/configuration/settings.ts'
import { stopRequested } from '../shutdown.ts'
import { viewsOf } from '../views.ts'
import type { AddCommand } from './command.ts'

export const addGateway: AddCommand = (program, run, bounds) => {
  const command = program
    .command('gateway')
    .description('serve the platform from Kafka and ClickHouse; it keeps nothing itself (docs/distributed.md)')
  addSettings(command, settingsOf('gateway'))
  addJson(command).action((options: GivenOptions) =>
    run(options, async (output) => {
      const config = readGatewayConfig(options)
      const views = await viewsOf(options)
      await requireAddress(config.host, config.port)
      await runRole({
        name: 'gateway',
        health: undefined,
        output,
        stopAsked: stopRequested(),
        start: (log, signal) => startGatewayRole({ ...config, ...bounds, views, log, signal }),
        describe: ({ url }) => ({
          object: { ok: true, role: 'gateway', url, graphql: `${url}/graphql`, pid: process.pid },
          text: `A gateway serves GraphQL at ${url}/graphql. Health: ${url}/readyz. Ctrl-C stops it.`,
        }),
      })
    }),
  )
} // prettier-ignore

/** `purser start`: the platform on one port, until it is told to stop. */
import { readConfig } from '../../platform/configuration/config.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { startPlatform, type Platform } from '../../platform/embedded-platform.ts'
import { requireAddress } from '../reach.ts'
import { stopRequested } from '../shutdown.ts'
import { formatPosition } from '../../schemas/positions.ts'
import { VIEW_SETTINGS, viewsOf } from '../views.ts'
import type { AddCommand } from './command.ts'

export const addStart: AddCommand = (program, run) => {
  const command = program.command('start').description('serve the platform until Ctrl-C')
  addSettings(command, [
    'port',
    'host',
    'allowHost',
    'data',
    'partitions',
    'currency',
    'graphiql',
    'engineMemory',
    'coordination',
    'transferDeadline',
    'viewsLagMax',
    ...VIEW_SETTINGS,
  ])
  addJson(command).action((options: GivenOptions) => run(options, (output) => start(options, output)))
}

async function start(options: GivenOptions, output: Output): Promise<void> {
  const config = readConfig(options)
  const views = await viewsOf(options)
  const asked = stopRequested()
  await requireAddress(config.host, config.port)
  output.log('Starting…')
  const starting = startPlatform({ ...config, views, log: (line) => output.log(line) })
  const first = await Promise.race([starting, asked])
  if (typeof first === 'string') {
    // Asked to stop while starting: what has been started is stopped in order.
    await (await starting).stop()
    return
  }
  const platform = first
  output.answer(describe(platform), welcome(platform, config.graphiql))
  const end = await Promise.race([asked, platform.failed])
  if (typeof end === 'string') {
    output.log('Stopping…')
    await platform.stop()
    output.log('Stopped. Everything acknowledged is in the log.')
    return
  }
  await platform.stop()
  throw end
}

function describe(platform: Platform): object {
  const { url, dataDir } = platform
  return {
    ok: true,
    url,
    graphql: `${url}/graphql`,
    websocket: `${url.replace(/^http/, 'ws')}/graphql`,
    dataDir,
    pid: process.pid,
    partitions: platform.writers.length,
    accounts: accountsOf(platform),
    position: formatPosition(platform.position()),
  }
}

function accountsOf({ writers }: Platform): number {
  return writers.reduce((sum, writer) => sum + writer.status().accounts, 0)
}

function welcome(platform: Platform, graphiql: boolean): string {
  const { url, dataDir } = platform
  const accounts = accountsOf(platform)
  const partitions = platform.writers.length === 1 ? '' : `${platform.writers.length} partitions, `
  return [
    `Purser serves GraphQL at ${url}/graphql (HTTP, SSE and WebSocket${graphiql ? '; open it in a browser for GraphiQL' : ''})`,
    `  bulk commands  POST ${url}/commands`,
    `  health         ${url}/livez, ${url}/readyz`,
    `  data           ${dataDir} (${partitions}${accounts} accounts, log at ${formatPosition(platform.position())})`,
    'Ctrl-C stops it.',
  ].join('\n')
}

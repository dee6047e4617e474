/** `purser users`: makes the ClickHouse users of projectors and gateways, with no more rights than each needs. */
import { messageOf } from '../../schemas/errors.ts'
import { createViewUsers } from '../../projectors/clickhouse/clickhouse-users.ts'
import { readUsersConfig } from '../../platform/configuration/config.ts'
import { CommandFailure } from '../output/failure.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { settingsOf } from '../../platform/configuration/settings.ts'
import type { AddCommand } from './command.ts'

export const addUsers: AddCommand = (program, run) => {
  const command = program
    .command('users')
    .description('make the database and the users of projectors and gateways on a ClickHouse server; may be repeated')
  addSettings(command, settingsOf('users'))
  addJson(command).action((options: GivenOptions) => run(options, (output) => users(options, output)))
} // prettier-ignore

async function users(options: GivenOptions, output: Output): Promise<void> {
  const { clickhouse, writer, reader } = readUsersConfig(options)
  const { url, username, password, database, cluster } = clickhouse
  try {
    await createViewUsers({
      admin: { url, username, password },
      database,
      ...(cluster === undefined ? {} : { cluster }),
      writer,
      reader,
      log: (line) => output.log(line),
    })
  } catch (error) {
    throw new CommandFailure(
      'views_failed',
      `ClickHouse at ${url} did not make the users: ${messageOf(error)} ` +
        `Check the address, and that ${username} may make users and databases.`,
      {},
      { cause: error },
    )
  }
  output.answer(
    { ok: true, database, writer: writer.name, reader: reader.name },
    `${writer.name} may write the views in ${database}, ${reader.name} may read them.`,
  )
}

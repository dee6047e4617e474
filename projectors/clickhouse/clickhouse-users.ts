/**
 * The two users of a ClickHouse server's views, with no more rights than their roles need: projectors write and make
 * tables, gateways read, within limits. Made by an administrator; safe to repeat, also to exchange a password.
 *
 * Only a salted hash of a password is sent, so that none stands in the server's logs.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createViewStore } from './clickhouse-store.ts'
import { SKIPS_TABLE, VERSIONS_TABLE } from '../registry/tables.ts'
import { IMPORTS_TABLE } from './imports-table.ts'

export interface ViewUser {
  /** Letters, digits, underscores and dashes. */
  readonly name: string
  readonly password: string
}

export interface ViewUsers {
  readonly database: string
  /** As the servers' configuration names it; undefined: one server. */
  readonly cluster?: string
  /** What projectors are called. */
  readonly writer: ViewUser
  /** What gateways are called. */
  readonly reader: ViewUser
}

export interface ViewUsersOptions extends ViewUsers {
  /** Who may make users and databases. */
  readonly admin: { readonly url: string; readonly username: string; readonly password: string }
  /** How long the server may not answer yet, in ms. Default: 60,000. */
  readonly patienceMs?: number
  /** Gets a line for the operator. */
  readonly log: (line: string) => void
}

const PATIENCE_MS = 60_000
const GIB = 1024 ** 3
/**
 * Bytes, seconds, queries at a time: what a read has where it asks for nothing else, and what it may ask for at most. Beyond
 * it ends with an error. A comparison of two versions reads whole tables, and asks for an hour.
 */
const READER_LIMITS = {
  max_memory_usage: [2 * GIB, 2 * GIB],
  max_memory_usage_for_user: [8 * GIB, 8 * GIB],
  max_execution_time: [60, 3_600],
  max_concurrent_queries_for_user: [128, 128],
} as const
/** SELECTs of projections from outside are analysed over a table that stands for the events, and holds none. */
const ANALYSIS = 'CREATE TEMPORARY TABLE'
/** What gateways write: base times of imports, and what operators say of projections. */
const READER_WRITES = [IMPORTS_TABLE, VERSIONS_TABLE, SKIPS_TABLE]
/** What tells of the rows that a table has lost. */
const WITNESSES = ['system.parts', 'system.mutations']
const ENGINES = ['Null', 'ReplacingMergeTree']
const CLUSTER_ENGINES = ['ReplicatedReplacingMergeTree', 'Distributed']

/**
 * Makes the database and both users, or brings them up to date.
 * @throws OutageError if the server does not answer in time; RangeError for names that cannot be; the server's error
 */
export async function createViewUsers(options: ViewUsersOptions): Promise<void> {
  const { admin, patienceMs = PATIENCE_MS, log, database, writer, reader } = options
  const store = createViewStore({ ...admin, retryMsMax: patienceMs })
  try {
    for (const statement of userStatements(options)) await store.command(statement)
  } finally {
    await store.close()
  }
  log(`Database ${database}: ${writer.name} may write the views, ${reader.name} may read them.`)
}

/**
 * The statements, in order.
 * @param salt for tests; by default a new one for each user
 * @throws RangeError
 */
export function userStatements(
  { database, cluster, writer, reader }: ViewUsers,
  salt: () => string = () => randomBytes(16).toString('hex'),
): string[] {
  for (const name of [database, writer.name, reader.name])
    if (!/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(name)) throw new RangeError(`no name for a user: ${name}`)
  if (cluster !== undefined && !/^[A-Za-z0-9_.-]{1,64}$/.test(cluster))
    throw new RangeError(`no cluster name: ${cluster}`)
  if (writer.name === reader.name) throw new RangeError('the two users need names of their own')
  const on = cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`
  const profile = `\`${reader.name}_limits\``
  const limits = Object.entries(READER_LIMITS).map(
    ([name, [usual, most]]) => `${name} = ${usual} MAX ${most}`,
  )
  const identified = ({ password }: ViewUser): string => {
    const grain = salt()
    const hash = createHash('sha256').update(`${password}${grain}`).digest('hex')
    return `IDENTIFIED WITH sha256_hash BY '${hash}' SALT '${grain}'`
  }
  const made = (user: ViewUser): string[] => {
    const how = identified(user)
    return [
      `CREATE USER IF NOT EXISTS \`${user.name}\`${on} ${how}`,
      `ALTER USER \`${user.name}\`${on} ${how}`,
    ]
  }
  const grant = (rights: string, where: string, { name }: ViewUser): string =>
    `GRANT${on} ${rights} ON ${where} TO \`${name}\``
  const everything = `\`${database}\`.*`
  return [
    `CREATE DATABASE IF NOT EXISTS \`${database}\`${on}`,
    ...made(writer),
    // What a version that is dropped had is removed, and so are the rows of an event that is left out.
    grant(
      'SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER DELETE',
      everything,
      writer,
    ),
    grant(ANALYSIS, '*.*', writer),
    // Whether rows have been taken away by somebody else: of these only what stands in its own tables is shown.
    ...WITNESSES.map((table) => grant('SELECT', table, writer)),
    ...[...ENGINES, ...(cluster === undefined ? [] : CLUSTER_ENGINES)].map((engine) =>
      grant('TABLE ENGINE', engine, writer),
    ),
    // A distributed table reads and writes on other servers, and statements run on all of them.
    ...(cluster === undefined ? [] : [grant('CLUSTER, REMOTE', '*.*', writer)]),
    `CREATE SETTINGS PROFILE IF NOT EXISTS ${profile}${on}`,
    `ALTER SETTINGS PROFILE ${profile}${on} SETTINGS ${limits.join(', ')}`,
    ...made(reader),
    `ALTER USER \`${reader.name}\`${on} SETTINGS PROFILE ${profile}`,
    // It reads, keeps the base times of imports, and says what operators want of projections: what is not granted here is
    // refused, so no setting has to forbid it.
    grant('SELECT', everything, reader),
    grant(ANALYSIS, '*.*', reader),
    ...READER_WRITES.flatMap((table) => (cluster === undefined ? [table] : [table, `${table}_local`])).map(
      (table) => grant('INSERT', `\`${database}\`.\`${table}\``, reader),
    ),
  ]
}

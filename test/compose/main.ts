/**
 * `npm run test:compose`: brings docker-compose.yml up, makes transfers through the one address, kills a writer, a broker
 * and a gateway under load, and says what it checked. For machines with Docker and its Compose plug-in.
 *
 *   npm run test:compose -- [--cluster] [--keep]
 *
 * `--cluster` adds a second ClickHouse and a keeper, with replicated and distributed tables. `--keep` leaves all running.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../schemas/errors.ts'
import { play } from '../../cli/demo/scenario.ts'
import { startLoad, type Finding } from './load.ts'

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url)))).replace(/\/dist$/, '')
const PROJECT = 'purser-test'
const PORT = '4400'
const URL = `http://127.0.0.1:${PORT}`
const PAIRS = 8
/** Long enough for the group to miss a member, and for others to have taken over. */
const QUIET_MS = 60_000
const UP_MS_MAX = 900_000

export async function main(args: readonly string[]): Promise<void> {
  const isCluster = args.includes('--cluster')
  const unknown = args.filter((argument) => !['--cluster', '--keep'].includes(argument))
  if (unknown.length > 0) return fail(`Unknown option ${unknown.join(' ')}. There are --cluster and --keep.`)
  if (spawnSync('docker', ['compose', 'version']).status !== 0)
    return fail('This needs Docker with its Compose plug-in: `docker compose version` does not work here.')
  const compose = new Compose(isCluster)
  try {
    await check(compose, isCluster)
  } catch (error) {
    compose.say({ title: 'it ran to its end', holds: false, seen: messageOf(error) })
    print(compose.run(['logs', '--tail', '40', '--no-color']).output)
  } finally {
    if (!args.includes('--keep')) compose.run(['down', '--volumes', '--remove-orphans'])
  }
  const failed = compose.findings.filter(({ holds }) => !holds)
  print(failed.length === 0 ? `\nAll ${compose.findings.length} checks held.` : `\n${failed.length} checks did not hold.`)
  process.exitCode = failed.length === 0 ? 0 : 1
} // prettier-ignore

async function check(compose: Compose, isCluster: boolean): Promise<void> {
  print('Building and starting. The first time this takes minutes…')
  compose.must(['up', '--detach', '--build', '--wait'])
  compose.say({ title: 'every service is up and healthy', holds: true, seen: compose.must(['ps', '--services']).split(/\s+/).join(' ') }) // prettier-ignore

  const topics = compose.run(['run', '--rm', '--no-deps', 'topics', 'topics'])
  compose.say({ title: 'the topics are as they have to be', holds: topics.status === 0, seen: topics.output.trim() }) // prettier-ignore
  const user = compose.run(['exec', '-T', 'writer-1', 'id', '-u']).output.trim()
  compose.say({ title: 'roles do not run as root', holds: user !== '' && user !== '0', seen: `uid ${user}` })
  checkViews(compose, isCluster)

  const steps = await play(URL, (step) => compose.say(step), 'compose')
  if (steps.some(({ holds }) => !holds))
    throw new Error('The first transfers did not work; nothing is killed.')

  const load = await startLoad(URL, PAIRS)
  await quiet(QUIET_MS / 6)
  for (const victim of ['writer-1', 'kafka-2', 'gateway-1', 'projector-1']) {
    const before = load.acknowledged()
    compose.must(['kill', '--signal', 'SIGKILL', victim])
    await quiet(QUIET_MS)
    const now = load.acknowledged()
    compose.say({
      title: `${victim} is killed: transfers go on without it`,
      holds: now > before,
      seen: `${now - before} acknowledged since; longest pause until now ${Math.round(load.longestPauseMs())} ms`,
    })
    compose.must(['up', '--detach', '--wait', victim])
  }
  for (const finding of await load.finish()) compose.say(finding)
}

/** What only a real server can show: its version, its users, its cluster. */
function checkViews(compose: Compose, isCluster: boolean): void {
  const ask = (user: string, password: string, query: string): { status: number; output: string } =>
    compose.run(['exec', '-T', 'clickhouse', 'clickhouse-client', '--user', user, '--password', password, '--query', query]) // prettier-ignore
  const asAdmin = (query: string): string => {
    const answer = ask('purser_admin', 'admin-to-try', query)
    if (answer.status !== 0) throw new Error(answer.output)
    return answer.output.trim()
  }
  compose.say({ title: 'the server', holds: true, seen: asAdmin('SELECT version()') })
  const tables = asAdmin("SELECT name || ' ' || engine FROM system.tables WHERE database = 'purser' ORDER BY name").split('\n') // prettier-ignore
  compose.say({ title: 'the views have tables', holds: tables.length > 3, seen: tables.join(', ') })
  if (isCluster) {
    const isReplicated = tables.some((table) => table.includes(' Replicated')) && tables.some((table) => table.includes(' Distributed')) // prettier-ignore
    compose.say({
      title: 'they are replicated, and distributed',
      holds: isReplicated,
      seen: tables.join(', '),
    })
  }
  const reader = ['purser_reader', 'reader-to-try'] as const
  const read = ask(...reader, 'SHOW TABLES FROM purser')
  compose.say({ title: 'the reader sees the views', holds: read.status === 0 && read.output.trim() !== '', seen: read.output.trim().split('\n').join(', ') }) // prettier-ignore
  const forbidden = ['CREATE TABLE purser.x (a UInt8) ENGINE = Memory', 'DROP DATABASE purser', 'CREATE USER x', 'SYSTEM SHUTDOWN'] // prettier-ignore
  for (const query of forbidden) {
    const answer = ask(...reader, query)
    compose.say({ title: `the reader may not: ${query}`, holds: answer.status !== 0, seen: answer.output.trim().slice(0, 120) }) // prettier-ignore
  }
  const drop = ask('purser_writer', 'writer-to-try', 'CREATE USER x')
  compose.say({ title: 'the writer may not make users', holds: drop.status !== 0, seen: drop.output.trim().slice(0, 120) }) // prettier-ignore
}

class Compose {
  readonly findings: Finding[] = []
  readonly #files: readonly string[]

  constructor(isCluster: boolean) {
    const files = ['docker-compose.yml', ...(isCluster ? ['deploy/compose.cluster.yml'] : [])]
    this.#files = files.flatMap((file) => ['--file', file])
  }

  run(args: readonly string[]): { status: number; output: string } {
    const ran = spawnSync('docker', ['compose', '--project-name', PROJECT, '--project-directory', '.', ...this.#files, ...args], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PURSER_PORT: PORT },
      timeout: UP_MS_MAX,
      maxBuffer: 64 * 1024 * 1024,
    }) // prettier-ignore
    return { status: ran.status ?? 1, output: `${ran.stdout}${ran.stderr}` }
  }

  must(args: readonly string[]): string {
    const { status, output } = this.run(args)
    if (status !== 0) throw new Error(`docker compose ${args.join(' ')}: ${output.slice(-2_000)}`)
    return output
  }

  say(finding: Finding): void {
    this.findings.push(finding)
    print(`  ${finding.holds ? '✓' : '✗'} ${finding.title}\n      ${finding.seen}`)
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`)
  process.exitCode = 2
}

function quiet(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

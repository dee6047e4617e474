/** The real program in child processes, as a user runs it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { TEST_MS_MAX } from './patience.ts'
import type { OutageBounds } from '../../platform/roles/outage-bounds.ts'

const root = rootAbove(path.dirname(fileURLToPath(import.meta.url)))
const RUN_MS_MAX = TEST_MS_MAX - 10_000

export interface Finished {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What is put around the program. */
export interface Surroundings {
  readonly environment?: Readonly<Record<string, string>>
  /** A command that replaces itself by the one behind it: `nice`, or a shell that sets a limit and then `exec`s. */
  readonly under?: readonly string[]
  /** How long it may run before it is killed, in ms. Default: a little less than a test may take. */
  readonly runMsMax?: number
  /** True: something is written to its standard input. Default: it has none. */
  readonly isTyped?: boolean
}

export interface Running {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  stdout(): string
  stderr(): string
}

/** Where the program stands: above this file, built or not. */
function rootAbove(folder: string): string {
  return existsSync(path.join(folder, 'package.json')) ? folder : rootAbove(path.dirname(folder))
}

/** Starts `purser ARGS`; it is killed if it outlives its test by far. */
export function spawnPurser(args: readonly string[], around: Surroundings = {}): Running {
  return run([path.join(root, 'bin', 'purser.js'), ...args], around)
}

/** Runs `purser ARGS` to its end. */
export function purser(...args: readonly string[]): Promise<Finished> {
  return spawnPurser(args).finished
}

/** As `spawnPurser`, of a role that has less patience with Kafka. */
export function spawnImpatient(
  bounds: OutageBounds,
  args: readonly string[],
  around: Surroundings = {},
): Running {
  const program = path.join(root, 'bin', 'run.js')
  return run([program, 'test/support/impatient-role.ts', JSON.stringify(bounds), ...args], around)
}

/** Runs an example to its end. */
export function example(source: string, ...args: readonly string[]): Promise<Finished> {
  return run([path.join(root, 'bin', 'run.js'), source, ...args]).finished
}

/** What the program printed, which has to be one JSON object and nothing else. */
export function onlyJson(stdout: string): Record<string, unknown> {
  if (stdout.trimEnd().split('\n').length !== 1) throw new Error(`not one line: ${stdout}`)
  return JSON.parse(stdout) as Record<string, unknown>
}

/** The answer with which a program ended that had served: the second one, so it is on standard error. */
export function lastAnswer({ stderr }: Finished): Record<string, unknown> {
  return onlyJson(stderr.trimEnd().split('\n').at(-1)!)
}

/** A platform in a process of its own. */
export interface Server extends Running {
  readonly url: string
  readonly pid: number
  /** Ends it in order, as Ctrl-C does. */
  stop(): Promise<Finished>
  /** Ends it as a power cut would end a process. */
  kill(): Promise<Finished>
}

/** Starts a platform on a folder and waits until it says where it serves. */
export function startServer(dataDir: string, ...args: readonly string[]): Promise<Server> {
  return startServerIn({}, dataDir, ...args)
}

/** As `startServer`, with something put around the program. */
export async function startServerIn(
  around: Surroundings,
  dataDir: string,
  ...args: readonly string[]
): Promise<Server> {
  return serving(spawnPurser(startArguments(dataDir, ...args), around))
}

/** As `startServer`, with snapshots and segments so small that a kill finds some of them under way. */
export function startSmallServer(dataDir: string): Promise<Server> {
  return serving(run([path.join(root, 'bin', 'run.js'), 'test/support/killable-platform.ts', dataDir]))
}

async function serving(running: Running): Promise<Server> {
  const { child, finished } = running
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.on('data', () => {
      if (running.stdout().includes('\n')) resolve(onlyJson(running.stdout())['url'] as string)
    })
    void finished.then(({ stdout, stderr }) =>
      reject(new Error(`it ended before it served: ${stdout}${stderr}`)),
    )
  })
  const end = (signal: NodeJS.Signals) => (): Promise<Finished> => {
    child.kill(signal)
    return finished
  }
  return { ...running, url, pid: child.pid!, stop: end('SIGTERM'), kill: end('SIGKILL') }
}

/** What `purser` is told to start a platform for a test. */
export function startArguments(dataDir: string, ...args: readonly string[]): string[] {
  return ['start', '--data', dataDir, '--port', '0', '--json', '--engine-memory', '512', ...args]
}

/** A temporary folder for the length of a piece of work. */
export async function withFolder<Value>(work: (folder: string) => Promise<Value>): Promise<Value> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'purser-test-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function run(
  args: readonly string[],
  { environment = {}, under = [], runMsMax = RUN_MS_MAX, isTyped = false }: Surroundings = {},
): Running {
  const [command, ...rest] = [...under, process.execPath, ...args]
  const child = spawn(command!, rest, {
    cwd: root,
    stdio: [isTyped ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const backstop = setTimeout(() => child.kill('SIGKILL'), runMsMax)
  const finished = new Promise<Finished>((resolve) => {
    child.once('close', (exitCode) => {
      clearTimeout(backstop)
      resolve({ exitCode, stdout, stderr })
    })
  })
  return { child, finished, stdout: () => stdout, stderr: () => stderr }
}

/** A field of what a role says when it runs. */
export async function said(role: Running, field: string): Promise<string> {
  const { child, finished } = role
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', () => {
      if (role.stdout().includes('\n')) resolve()
    })
    void finished.then((end) => reject(new Error(`it ended before it ran: ${end.stdout}${end.stderr}`)))
  })
  return onlyJson(role.stdout())[field] as string
}

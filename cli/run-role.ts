/** Runs one role of the distributed platform in this process: until it is told to stop, or fails. */
import { openHealthServer } from '../platform/roles/health.ts'
import type { RoleStatus, RunningRole } from '../platform/roles/role.ts'
import type { Output } from './output/output.ts'

export interface RoleRun<Role extends RunningRole> {
  /** What it is called: `writer`. */
  readonly name: string
  /** Where `/livez` and `/readyz` are served; undefined: the role serves them itself. */
  readonly health: { readonly host: string; readonly port: number } | undefined
  readonly output: Output
  /** Resolves when the operator wants it to end. */
  readonly stopAsked: Promise<unknown>
  /**
   * @param signal aborts when the operator wants it to end: then nobody waits for what it is waiting for, and it rejects
   *   when what has been started by then is stopped
   */
  start(log: (line: string) => void, signal: AbortSignal): Promise<Role>
  /** What is said when it runs. */
  describe(role: Role, healthUrl: string | undefined): { readonly object: object; readonly text: string }
}

/**
 * Starts, serves health, waits, stops in order.
 * @throws PlatformError when the role fails, or does not start, unless it was asked to stop by then
 */
export async function runRole<Role extends RunningRole>(run: RoleRun<Role>): Promise<void> {
  const { name, health, output, stopAsked } = run
  let role: Role | undefined
  const stopping = new AbortController()
  const status = (): RoleStatus => {
    if (stopping.signal.aborted)
      return { ...role?.status(), ready: false, reasons: [`The ${name} is stopping.`] }
    return role?.status() ?? { ready: false, reasons: [`The ${name} is starting.`] }
  }
  const server = health === undefined ? undefined : await openHealthServer(health.host, health.port, status)
  try {
    const asked = stopAsked.then(() => {
      stopping.abort()
      return { kind: 'asked' as const }
    })
    output.log(`The ${name} starts…`)
    role = await startUnlessStopped(run, stopping.signal)
    if (role === undefined) {
      output.log(`The ${name} has stopped.`)
      return
    }
    const running = role
    // Asked to stop while starting: what has been started is stopped in order, and nothing is announced.
    if (!stopping.signal.aborted) {
      const said = run.describe(running, server === undefined ? undefined : urlOf(health!.host, server.port))
      output.answer(said.object, said.text)
    }
    const end = await Promise.race([
      asked,
      running.failed.then((error) => ({ kind: 'failed' as const, error })),
    ])
    stopping.abort()
    output.log('Stopping…')
    await running.stop()
    if (end.kind === 'failed') throw end.error
    output.log(`The ${name} has stopped.`)
  } finally {
    await server?.close()
  }
}

/** @returns undefined if it did not start, and nobody wants it to any more: then it does not matter why */
async function startUnlessStopped<Role extends RunningRole>(
  run: RoleRun<Role>,
  signal: AbortSignal,
): Promise<Role | undefined> {
  try {
    return await run.start((line) => run.output.log(line), signal)
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  }
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

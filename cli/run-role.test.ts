import { describe, expect, test } from 'vitest'
import { PlatformError } from '../platform/errors.ts'
import type { RoleStatus, RunningRole } from '../platform/roles/role.ts'
import { createOutput } from './output/output.ts'
import { runRole } from './run-role.ts'

interface Stage {
  readonly steps: string[]
  readonly said: string[]
  readonly done: Promise<string>
  ask(): void
  start(): void
  failStart(error: Error): void
  /** True if its start has been told that nobody wants it any more. */
  isCalledOff(): boolean
  fail(error: PlatformError): void
  finishStop(): void
  healthUrl(): string
}

/** A role whose every step is taken by hand. */
function stage(): Stage {
  const steps: string[] = []
  const said: string[] = []
  const asked = deferred<string>()
  const started = deferred<undefined>()
  const failed = deferred<PlatformError>()
  const stopped = deferred<undefined>()
  let url = ''
  let calledOff: AbortSignal | undefined
  const role: RunningRole = {
    status: (): RoleStatus => ({ ready: true, reasons: [], position: 2n ** 60n }),
    failed: failed.promise,
    stop: () => {
      steps.push('stop')
      return stopped.promise
    },
  }
  const output = createOutput(true, {
    stdout: { write: (text: string) => said.push(text) },
    stderr: { write: () => undefined },
  })
  const done = runRole({
    name: 'writer',
    health: { host: '127.0.0.1', port: 0 },
    output,
    stopAsked: asked.promise,
    start: async (_log, signal) => {
      steps.push('start')
      calledOff = signal
      await started.promise
      return role
    },
    describe: (_role, healthUrl) => {
      url = healthUrl!
      return { object: { ok: true, health: healthUrl }, text: '' }
    },
  }).then(
    () => 'ended',
    (error: unknown) => `${(error as PlatformError).code}: ${(error as Error).message}`,
  )
  return {
    steps, said, done,
    ask: () => asked.resolve('SIGTERM'),
    start: () => started.resolve(undefined),
    failStart: (error) => started.reject(error),
    isCalledOff: () => calledOff?.aborted === true,
    fail: (error) => failed.resolve(error),
    finishStop: () => stopped.resolve(undefined),
    healthUrl: () => url,
  } // prettier-ignore
}

describe('a role', () => {
  test('says once that it runs, is ready as its status says, and while it stops it is live and not ready', async () => {
    const on = stage()
    on.start()
    await expect.poll(() => on.said.length).toBe(1)
    const url = on.healthUrl()
    expect(await ask(`${url}/readyz`)).toEqual([200, { ready: true, reasons: [], position: '1152921504606846976' }])
    expect(await ask(`${url}/livez`)).toEqual([200, { status: 'live' }])
    expect((await ask(`${url}/`))[0]).toBe(404)
    expect((await fetch(`${url}/livez`, { method: 'POST' })).status).toBe(405)

    on.ask()
    await expect.poll(() => on.steps).toEqual(['start', 'stop'])
    expect(await ask(`${url}/readyz`)).toEqual([
      503,
      { ready: false, reasons: ['The writer is stopping.'], position: '1152921504606846976' },
    ])
    expect((await ask(`${url}/livez`))[0]).toBe(200)
    on.finishStop()
    expect(await on.done).toBe('ended')
    await expect(fetch(`${url}/livez`)).rejects.toThrow()
  }) // prettier-ignore

  test('that fails is stopped in order, and its failure is the command’s', async () => {
    const on = stage()
    on.start()
    on.fail(new PlatformError('writer_failed', 'Out of paper.'))
    await expect.poll(() => on.steps).toEqual(['start', 'stop'])
    on.finishStop()
    expect(await on.done).toBe('writer_failed: Out of paper.')
  })

  test('that is asked to stop while it starts is stopped when it has started, and never announced', async () => {
    const on = stage()
    on.ask()
    on.finishStop()
    await Promise.resolve()
    on.start()
    expect(await on.done).toBe('ended')
    expect(on.steps).toEqual(['start', 'stop'])
    expect(on.said).toEqual([])
  })

  test('that is asked to stop while it starts tells its start, and that it did not come to run is no failure then', async () => {
    const on = stage()
    await expect.poll(() => on.steps).toEqual(['start'])
    expect(on.isCalledOff()).toBe(false)
    on.ask()
    await expect.poll(() => on.isCalledOff()).toBe(true)
    on.failStart(new PlatformError('kafka_unreachable', 'Nobody answers.'))
    expect(await on.done).toBe('ended')
    expect(on.steps).toEqual(['start'])
    expect(on.said).toEqual([])
  })

  test('a role that does one thing is not asked for what', async () => {
    const on = stage()
    on.start()
    await expect.poll(() => on.said.length).toBe(1)
    const url = on.healthUrl()
    for (const query of ['?for=commands', '?for=reads', '?for='])
      expect((await ask(`${url}/readyz${query}`))[0], query).toBe(400)
    for (const query of ['', '?', '?probe=1'])
      expect((await ask(`${url}/readyz${query}`))[0], query).toBe(200)
    on.ask()
    on.finishStop()
    expect(await on.done).toBe('ended')
  })

  test('whose start fails has failed of what that threw', async () => {
    const on = stage()
    on.failStart(new PlatformError('kafka_unreachable', 'Nobody answers.'))
    expect(await on.done).toBe('kafka_unreachable: Nobody answers.')
    expect(on.said).toEqual([])
  })
})

async function ask(url: string): Promise<readonly [number, unknown]> {
  const response = await fetch(url)
  return [response.status, await response.json()]
}

function deferred<T>(): {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: Error): void
} {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((done, failed) => {
    resolve = done
    reject = failed
  })
  return { promise, resolve, reject }
}

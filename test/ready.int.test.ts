/** The program as an operator watches it: views that were removed, and an engine that stands still. */
import { execFileSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { sendCommands, type LaneCommand } from './support/json-lane.ts'
import { newId } from './support/load.ts'
import { onlyJson, purser, startServerIn, withFolder, type Server } from './support/purser.ts'

const TEST_MS_MAX = 240_000
const BATCHES = 12
const BATCH = 2_000
const cash = '00000000-0000-8000-8000-000000000001'
const anna = '00000000-0000-8000-8000-000000000002'
const QUERY = `{ a: account(id: "${anna}") { balance { balance { minor } } } trialBalance { debitsPosted { minor } } }`

interface Answer {
  readonly data?: {
    a: { balance: { balance: { minor: string } } }
    trialBalance: { debitsPosted: { minor: string } }[]
  }
  readonly errors?: readonly { readonly extensions: { readonly code: string; readonly retryable: boolean } }[]
}

async function ask(url: string): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: QUERY }),
  })
  return (await response.json()) as Answer
}

async function probe(url: string): Promise<{ status: number; reasons: readonly string[] }> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) })
  const { reasons } = (await response.json()) as { reasons: string[] }
  return { status: response.status, reasons }
}

function engineOf({ pid }: Server): number {
  return Number(execFileSync('pgrep', ['--parent', String(pid)], { encoding: 'utf8' }).split('\n')[0])
}

test('removed views never tell of part of the money; an engine that stands still is told of within a second, by every door', { timeout: TEST_MS_MAX }, () =>
  withFolder(async (folder) => {
    const around = { runMsMax: TEST_MS_MAX }
    const first = await startServerIn(around, folder)
    const open: LaneCommand[] = [
      { kind: 'openAccount', id: newId(), accountId: cash, currency: 'EUR', system: true },
      { kind: 'openAccount', id: newId(), accountId: anna, currency: 'EUR' },
    ]
    await sendCommands(first.url, open, () => undefined)
    for (let at = 0; at < BATCHES; at++)
      await sendCommands(
        first.url,
        Array.from({ length: BATCH }, () => ({ kind: 'transfer', id: newId(), debitAccountId: cash, creditAccountId: anna, amount: '1', currency: 'EUR' })),
        () => undefined,
      )
    expect((await first.stop()).exitCode).toBe(0)
    await rm(path.join(folder, 'views'), { recursive: true })

    const again = await startServerIn(around, folder)
    const all = String(BATCHES * BATCH)
    for (let exact = 0; exact < 3;) {
      const { data, errors } = await ask(again.url)
      if (errors === undefined) {
        expect(data).toEqual({ a: { balance: { balance: { minor: all } } }, trialBalance: [{ debitsPosted: { minor: all } }] })
        exact++
      } else for (const { extensions } of errors) expect(extensions).toMatchObject({ code: 'NOT_YET', retryable: true })
    }
    await expect.poll(() => probe(again.url)).toEqual({ status: 200, reasons: [] })

    const engine = engineOf(again)
    process.kill(engine, 'SIGSTOP')
    try {
      await expect.poll(async () => (await probe(again.url)).status).toBe(503)
      const status = await purser('status', '--url', again.url, '--json')
      expect(onlyJson(status.stdout)).toMatchObject({ ok: false, commands: { ready: true }, reads: { ready: false } })
      expect(status.exitCode).toBe(1)
      const projections = await purser('projections', '--url', again.url, '--json')
      expect(onlyJson(projections.stdout)).toMatchObject({ ok: false, projections: Array(4).fill({ state: 'STALLED' }) })
      const commands = await purser('status', '--url', again.url, '--for', 'commands')
      expect(commands).toMatchObject({ exitCode: 0 })
      expect(commands.stdout).toMatch(/^ready at .*\ncommands {3}ready\nreads {6}not ready\n/)
      const strange = await purser('status', '--url', again.url, '--for', 'writes', '--json')
      expect(onlyJson(strange.stdout)).toMatchObject({ ok: false, error: { code: 'usage' } })
    } finally {
      process.kill(engineOf(again), 'SIGCONT')
    }
    await expect.poll(async () => (await probe(again.url)).status).toBe(200)
    expect((await again.stop()).exitCode).toBe(0)
  }),
) // prettier-ignore

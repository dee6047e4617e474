/** Every verb of `purser projections`, through a real platform: beside one that runs, and with one of the command's own. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPERATION_REFUSALS } from '../../../projectors/registry/operations.ts'
import { startPlatform, type Platform } from '../../../platform/embedded-platform.ts'
import { purser, onlyJson, spawnPurser, withFolder } from '../../../test/support/purser.ts'
import { until } from '../../../test/support/until.ts'
import { formatId, makeUuidV7 } from '../../../schemas/ids.ts'
import { command } from '../../../test/support/in-process.ts'

interface VersionAnswer {
  readonly name: string
  readonly version: number
  readonly role: string
  readonly state: string
  readonly skips: readonly unknown[]
  readonly faults: readonly { partition: number; sequence: string; cause: string }[]
}

/** Fails at amounts of 666; what it makes of the others is one row each. */
const AMOUNTS = `export default { projection: {
  kind: 'sql', name: 'amounts', version: 1,
  tables: [{
    name: 'amounts',
    columns: [['partition', 'UInt16'], ['sequence', 'UInt64'], ['amount', 'Int64']],
    key: ['sequence'],
    select: "partition, sequence, amount + if(amount = 666, throwIf(amount = 666, 'no such amount'), 0) AS amount",
  }],
} }
`
const CODE = `export default { projection: {
  kind: 'code', name: 'seen', version: 1,
  tables: { seen: { columns: { amount: 'Int64' }, key: [] } },
  project: ({ amount }) => [{ table: 'seen', row: { amount } }],
} }
`

function uuid(): string {
  return formatId(makeUuidV7(Date.now(), crypto.getRandomValues(new Uint8Array(10))))
}

function withPlatform(work: (dataDir: string) => Promise<void>): Promise<void> {
  return withFolder((folder) => work(path.join(folder, 'data')))
}

describe('beside a platform that runs', () => {
  let platform: Platform
  let over: () => void
  let folder: string
  let ended: Promise<void>
  const cash = uuid()
  const account = uuid()

  beforeAll(async () => {
    await new Promise<void>((resolve, reject) => {
      ended = withPlatform(async (dataDir) => {
        folder = path.dirname(dataDir)
        platform = await startPlatform({ dataDir, engineMemoryBytes: 1024 ** 3 })
        await new Promise<void>((finish) => {
          over = finish
          resolve()
        })
        await platform.stop()
      })
      ended.catch(reject)
    })
    await send([
      { kind: 'openAccount', accountId: cash, currency: 'EUR', system: true },
      { kind: 'openAccount', accountId: account, currency: 'EUR', owner: 'alice' },
    ])
    await pay(50)
  })
  afterAll(async () => {
    over()
    await ended
  })

  async function send(commands: readonly object[]): Promise<void> {
    const response = await fetch(`${platform.url}/commands`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ commands }),
    })
    const { results } = (await response.json()) as { results?: { status: string }[] }
    expect(results?.every(({ status }) => status === 'accepted')).toBe(true)
  }

  function pay(count: number, amount = '1'): Promise<void> {
    const one = { kind: 'transfer', debitAccountId: cash, creditAccountId: account, amount, currency: 'EUR' }
    return send(Array.from({ length: count }, () => ({ ...one, id: uuid() })))
  }

  function verb(name: string, ...args: readonly string[]): ReturnType<typeof command> {
    return command('projections', name, ...args, '--url', platform.url, '--json')
  }

  async function version(name: string, number: number): Promise<VersionAnswer | undefined> {
    const { versions } = (await verb('status')).answer as { versions: VersionAnswer[] }
    return versions.find((one) => one.name === name && one.version === number)
  }

  async function balance(): Promise<string> {
    const response = await fetch(`${platform.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: `{ balance(accountId: "${account}") { balance { minor } } }` }),
    })
    const { data } = (await response.json()) as { data: { balance: { balance: { minor: string } } } }
    return data.balance.balance.minor
  }

  test('a version is rebuilt while money moves and balances are read, compared, promoted, rolled back and dropped', async () => {
    let isOver = false
    let paid = 0
    const load = (async () => {
      while (!isOver) {
        await pay(5)
        paid += 5
        expect(Number(await balance())).toBeGreaterThan(0)
      }
    })()
    const rebuilt = await verb('rebuild', 'balances', '--share', '1')
    expect(rebuilt).toMatchObject({ exitCode: 0, answer: { ok: true, name: 'balances', version: 2, done: true } })
    isOver = true
    await load
    expect(await verb('rebuild', 'balances', '--no-wait')).toMatchObject({ exitCode: 0, answer: { version: 2, done: false } })
    await until('version 2 is level', async () => (await version('balances', 2))?.state === 'LIVE')
    const compared = await verb('compare', 'balances')
    expect(compared).toMatchObject({ exitCode: 0, answer: { ok: true, comparison: { left: 1, right: 2, equal: true } } })
    expect(await verb('promote', 'balances')).toMatchObject({ exitCode: 0, answer: { ok: true, version: 2 } })
    await until('version 2 is read', () => platform.projections.serving().versionOf('balances') === 2)
    expect(Number(await balance())).toBe(50 + paid)
    expect(await verb('rollback', 'balances')).toMatchObject({ exitCode: 0, answer: { ok: true, version: 1 } })
    expect(await verb('drop', 'balances', '2')).toMatchObject({ exitCode: 2, answer: { error: { code: 'usage' } } })
    expect(await verb('drop', 'balances', '2', '--yes')).toMatchObject({ exitCode: 0 })
    expect(await version('balances', 2)).toBeUndefined()
    expect(Number(await balance())).toBe(50 + paid)
  }) // prettier-ignore

  test('a row that was spoiled is named with both its rows, and keeps the version from serving until that is accepted', async () => {
    expect(await verb('rebuild', 'history')).toMatchObject({ exitCode: 0 })
    await until('it is level', async () => (await version('history', 2))?.state === 'LIVE')
    const [column] = await platform.store.query<{ name: string }>(
      `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'history_v2' AND type = 'Int64' LIMIT 1`,
    )
    const [row] = await platform.store.query<{ sequence: string }>(`SELECT max(sequence) AS sequence FROM history_v2`) // prettier-ignore
    await platform.store.command(
      `ALTER TABLE history_v2 UPDATE ${column!.name} = ${column!.name} + 1 WHERE sequence = ${row!.sequence} SETTINGS mutations_sync = 2`,
    )
    const compared = await verb('compare', 'history')
    expect(compared.exitCode).toBe(1)
    const { comparison } = compared.answer as { comparison: { tables: { table: string; differences: { key: string; left: string[]; right: string[] }[] }[] } } // prettier-ignore
    const { differences } = comparison.tables.find(({ table }) => table === 'history')!
    expect(differences.length).toBeGreaterThan(0)
    for (const { key, left, right } of differences) {
      expect(JSON.parse(key)).toMatchObject({ partition: 0 })
      expect([left.length, right.length]).toEqual([1, 1])
      for (const one of [...left, ...right])
        expect(JSON.parse(one)).toMatchObject({ sequence: row!.sequence })
      expect(left).not.toEqual(right)
    }
    expect(await verb('promote', 'history')).toMatchObject({
      exitCode: 1,
      answer: { error: { code: 'projection_refused' }, refusal: 'not_equal' },
    })
    expect(await verb('promote', 'history', '--accept-differences', 'spoiled by a test')).toMatchObject({ exitCode: 0, answer: { ok: true, version: 2 } }) // prettier-ignore
    expect(await verb('rollback', 'history')).toMatchObject({ exitCode: 0, answer: { version: 1 } })
    expect(await verb('drop', 'history', '2', '--yes')).toMatchObject({ exitCode: 0 })
  })

  test('a view from a file is added, stops alone at what it cannot take, and goes on without it, which is recorded', async () => {
    const file = path.join(folder, 'amounts.ts')
    await writeFile(file, AMOUNTS)
    await pay(1, '666')
    await pay(3)
    expect(await verb('add', file)).toMatchObject({ exitCode: 0, answer: { ok: true, name: 'amounts', version: 1 } }) // prettier-ignore
    expect(await verb('add', file)).toMatchObject({ exitCode: 1, answer: { refusal: 'name_taken' } })
    await until('it stops', async () => (await version('amounts', 1))?.state === 'STOPPED')
    const stopped = await verb('status', 'amounts')
    expect(stopped.exitCode).toBe(1)
    const [fault] = (await version('amounts', 1))!.faults
    expect(fault!.cause).toContain('no such amount')
    expect((await version('balances', 1))!.state).not.toBe('STOPPED')
    const place = `${fault!.partition}:${fault!.sequence}`
    expect(await verb('skip', 'amounts', '--position', place)).toMatchObject({ exitCode: 2 })
    expect(await verb('skip', 'amounts', '--position', '0:1', '--reason', 'x')).toMatchObject({ exitCode: 1, answer: { refusal: 'no_fault' } }) // prettier-ignore
    expect(await verb('skip', 'amounts', '--position', place, '--reason', 'a test', '--by', 'tester')).toMatchObject({ exitCode: 0 }) // prettier-ignore
    await until('it is level', async () => (await version('amounts', 1))?.state === 'LIVE')
    expect((await version('amounts', 1))!.skips).toMatchObject([{ partition: 0, sequence: fault!.sequence, reason: 'a test', by: 'tester' }]) // prettier-ignore
    const rows = await platform.store.query<{ amount: string }>('SELECT amount FROM amounts_v1 WHERE amount = 666') // prettier-ignore
    expect(rows).toEqual([])
    const code = path.join(folder, 'seen.ts')
    await writeFile(code, CODE)
    const refused = await verb('add', code)
    expect(refused.exitCode).toBe(2)
    expect(JSON.stringify(refused.answer)).toContain('--projection')
  })

  test('a version is paused, resumed and reset; what is not there, and what is no value, is said with a code', async () => {
    expect(await verb('pause', 'audit', '--version', '1')).toMatchObject({ exitCode: 0, answer: { version: 1 } }) // prettier-ignore
    await until('it is paused', async () => (await version('audit', 1))?.state === 'PAUSED')
    expect(await verb('resume', 'audit')).toMatchObject({ exitCode: 0 })
    expect(await verb('reset', 'audit')).toMatchObject({ exitCode: 0, answer: { version: 2 } })
    await until('it is level', async () => (await version('audit', 2))?.state === 'LIVE')
    for (const [args, code] of [
      [['pause', 'nobody'], 'unknown_projection'],
      [['pause', 'balances', '--version', '77'], 'unknown_version'],
      [['promote', 'balances'], 'not_built'],
      [['rollback', 'audit'], 'nothing_kept'],
      [['drop', 'balances', '1', '--yes'], 'serving'],
    ] as const) {
      const { answer, exitCode } = await verb(args[0], ...args.slice(1))
      expect([exitCode, answer['refusal']], args.join(' ')).toEqual([1, code])
    }
    for (const args of [
      ['rebuild', 'balances', '--share', '2'],
      ['rebuild', 'balances', '--until', 'soon'],
      ['compare', 'balances', '--at', 'p9'],
      ['drop', 'balances', 'two', '--yes'],
    ] as const)
      expect((await verb(args[0], ...args.slice(1))).answer, args.join(' ')).toMatchObject({ error: { code: 'usage' } }) // prettier-ignore
  })

  test('a version that is to end at a position is complete there, and cannot serve', async () => {
    expect(await verb('rebuild', 'audit', '--until', '0:20')).toMatchObject({ exitCode: 0, answer: { done: true, events: '20' } }) // prettier-ignore
    expect((await version('audit', 3))!.state).toBe('COMPLETE')
    expect(await verb('promote', 'audit')).toMatchObject({ exitCode: 1, answer: { refusal: 'bounded' } })
    expect(await verb('compare', 'audit', '--at', '0:20')).toMatchObject({ exitCode: 0 })
    expect(await verb('compare', 'audit', '--at', '0:21')).toMatchObject({ exitCode: 1, answer: { refusal: 'not_there_yet' } }) // prettier-ignore
    expect(await verb('drop', 'audit', '3', '--yes')).toMatchObject({ exitCode: 0 })
  })

  test('a watcher that is killed leaves the rebuild going, and another one goes on watching', async () => {
    const args = ['projections', 'rebuild', 'balances', '--share', '0.01', '--url', platform.url, '--json']
    await pay(500)
    const first = spawnPurser(args)
    await until('it is being built', async () => {
      const { versions } = (await verb('list')).answer as { versions: VersionAnswer[] }
      return versions.some(({ name, role }) => name === 'balances' && role === 'BUILDING')
    })
    first.child.kill('SIGKILL')
    await first.finished
    expect(await verb('rebuild', 'balances')).toMatchObject({ exitCode: 0, answer: { done: true, version: 3 } }) // prettier-ignore
    expect(await verb('drop', 'balances', '3', '--yes')).toMatchObject({ exitCode: 0 })
  })
})

test('where no platform runs, one is started for the command; what was said holds afterwards', () =>
  withPlatform(async (dataDir) => {
    const small = ['--data', dataDir, '--engine-memory', '512', '--json']
    const built = await purser('projections', 'rebuild', 'audit', ...small)
    expect([built.exitCode, onlyJson(built.stdout)]).toMatchObject([0, { ok: true, version: 2, done: true }])
    const listed = onlyJson((await purser('projections', 'list', ...small)).stdout) as unknown as { versions: VersionAnswer[] } // prettier-ignore
    expect(listed.versions.map(({ name, version, role }) => [name, version, role])).toContainEqual(['audit', 2, 'BUILDING']) // prettier-ignore
  }))

test('docs/projections-operations.md lists every refusal with its meaning', () => {
  const text = readFileSync(new URL('../../../docs/projections-operations.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (.+?) +\|$/gm)].map(([, code, meaning]) => [code, meaning])
  expect(rows).toEqual(Object.entries(OPERATION_REFUSALS))
})

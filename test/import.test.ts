/** `purser import` on the real thing: twice, killed in the middle, beside a running platform, bad lines. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readConfig } from '../cli/config.ts'
import { accountIdOf, rowDigest } from '../cli/external-ids.ts'
import { graphql } from '../cli/graphql-client.ts'
import { chunkBaseTimes } from '../cli/import/base-times.ts'
import { CHUNK_LINES } from '../cli/import/chunks.ts'
import { importLines } from '../cli/import/import-lines.ts'

import type { ImportReport } from '../cli/import/report.ts'
import { readRow, type ImportLine, type ImportRow } from '../cli/import/rows.ts'
import { startPlatform } from '../cli/platform.ts'
import { onlyJson, purser, spawnPurser, startServer, withFolder } from './support/purser.ts'

const CUSTOMERS = 7
const ENTRY = `query($id: UUID!, $after: Position) { history(accountId: $id, last: 1, afterPosition: $after) {
  nodes { effectiveAt memo balance { balance { minor } } } } }`

/** Rows in order: accounts, then transfers from cash to each customer in turn, one minor unit each. */
function rows(transfers: number): object[] {
  const customers = Array.from({ length: CUSTOMERS }, (_, index) => ({ type: 'account', id: `c${index}`, currency: 'EUR' }))
  return [
    { type: 'account', id: 'cash', currency: 'EUR', system: true },
    ...customers,
    ...Array.from({ length: transfers }, (_, index) => ({
      type: 'transfer', id: `t${index}`, debit: 'cash', credit: `c${index % CUSTOMERS}`, amount: '1', currency: 'EUR',
      effectiveAt: '1993-01-31', memo: `row ${index}`,
    })),
  ]
} // prettier-ignore

const ndjson = (of: readonly object[]): string => of.map((row) => `${JSON.stringify(row)}\n`).join('')

async function importJson(file: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout, exitCode, stderr } = await purser('import', file, '--json', ...args)
  expect(exitCode, stderr).toBe(0)
  return onlyJson(stdout)
}

test('run again, it changes nothing; effective times are kept; CSV and NDJSON mean the same', () =>
  withFolder(async (folder) => {
    const all = rows(CHUNK_LINES + 100)
    const file = path.join(folder, 'rows.ndjson.gz')
    writeFileSync(file, gzipSync(ndjson(all)))
    const csv = path.join(folder, 'rows.csv')
    writeFileSync(csv, toCsv(all))
    const server = await startServer(path.join(folder, 'data'))
    const data = ['--data', path.join(folder, 'data'), '--name', 'rows']

    const first = await importJson(file, ...data)
    expect(first).toMatchObject({ ok: true, lines: all.length, accepted: all.length, replayed: 0, refused: {}, bad: 0 })
    for (const again of [file, csv])
      expect(await importJson(again, ...data)).toMatchObject({ accepted: 0, replayed: all.length, refused: {}, position: first['position'] })

    const last = all.length - 1 - CUSTOMERS - 1
    const answer = await graphql<{ history: { nodes: object[] } }>(server.url, ENTRY, { id: accountIdOf(`c${last % CUSTOMERS}`), after: first['position'] })
    expect(answer.history.nodes).toEqual([
      { effectiveAt: '1993-01-31T00:00:00Z', memo: `row ${last}`, balance: { balance: { minor: String(Math.floor(last / CUSTOMERS) + 1) } } },
    ])
    await server.stop()
  })) // prettier-ignore

test('killed in the middle, it goes on where it was: every row happens once', () =>
  withFolder(async (folder) => {
    const all = rows(CHUNK_LINES * 6)
    const file = path.join(folder, 'rows.ndjson')
    writeFileSync(file, ndjson(all))
    const dataDir = path.join(folder, 'data')
    // It runs a platform of its own here; both are killed.
    const killed = spawnPurser(['import', file, '--data', dataDir, '--json'])
    const registry = path.join(dataDir, 'imports')
    while (chunksBegun(registry) < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    killed.child.kill('SIGKILL')
    expect((await killed.finished).stdout).toBe('')

    const report = await importJson(file, '--data', dataDir)
    expect((report['accepted'] as number) + (report['replayed'] as number)).toBe(all.length)
    expect(report['accepted']).toBeGreaterThan(0)
    expect(report['replayed']).toBeGreaterThan(0)
    const audit = onlyJson((await purser('audit', '--data', dataDir, '--json')).stdout)
    expect(audit).toMatchObject({ ok: true, events: String(all.length), trialBalance: { EUR: '0' } })
  }))

test('a bad line is named: it ends the import, or is skipped as asked; refusals are counted per reason', () =>
  withFolder(async (folder) => {
    const good = rows(3)
    const poor = { type: 'transfer', id: 'poor', debit: 'c0', credit: 'cash', amount: '99', currency: 'EUR' }
    const lost = {
      type: 'transfer',
      id: 'lost',
      debit: 'nobody',
      credit: 'cash',
      amount: '1',
      currency: 'EUR',
    }
    const twice = good.at(-1)!
    const linked = [
      { type: 'transfer', id: 'l1', debit: 'cash', credit: 'c1', amount: '1', currency: 'EUR', linked: true },
      { type: 'transfer', id: 'l2', debit: 'c0', credit: 'cash', amount: '99', currency: 'EUR' },
    ]
    const odd = { type: 'account', id: 'odd', currency: 'QQQ' }
    const file = path.join(folder, 'mixed.ndjson')
    writeFileSync(file, `${ndjson([...good, poor, lost, ...linked])}nonsense\n${ndjson([twice, odd])}`)
    const data = ['--data', path.join(folder, 'data')]

    const stopped = await purser('import', file, ...data, '--json')
    expect(stopped.exitCode).toBe(1)
    expect(onlyJson(stopped.stdout)).toMatchObject({ ok: false, error: { code: 'bad_line' } })
    expect(stopped.stdout).toContain(`Line ${good.length + 5} is wrong: not JSON`)

    const line = good.length + 5
    const report = await importJson(file, ...data, '--on-error', 'skip')
    expect(report).toMatchObject({
      accepted: good.length,
      refused: { insufficient_funds: 2, debit_account_not_found: 1, linked_failed: 1 },
      bad: 3,
      badLines: [{ line }, { line: line + 1 }, { line: line + 2 }],
    })
    expect(await importJson(file, ...data, '--on-error', 'skip')).toMatchObject({
      accepted: 0, replayed: good.length, refused: report['refused'], bad: 3,
    }) // prettier-ignore
  }))

test('a bad line ends the import when all chunks before its own have been loaded', () =>
  withFolder(async (folder) => {
    const all = rows(CHUNK_LINES + 50)
    const file = path.join(folder, 'rows.ndjson')
    writeFileSync(file, `${ndjson(all)}nonsense\n`)
    const stopped = await purser('import', file, '--data', path.join(folder, 'data'), '--json')
    expect(stopped.exitCode).toBe(1)
    expect(onlyJson(stopped.stdout)).toMatchObject({
      error: { code: 'bad_line' },
      report: { lines: CHUNK_LINES, accepted: CHUNK_LINES, bad: 1 },
    })
  }))

test('a file whose rows have moved to other chunks is not loaded a second time', () =>
  withFolder(async (folder) => {
    const all = rows(CHUNK_LINES + 10)
    const file = path.join(folder, 'rows.ndjson')
    const data = ['--data', path.join(folder, 'data')]
    const server = await startServer(path.join(folder, 'data'))
    writeFileSync(file, ndjson(all))
    await importJson(file, ...data)

    writeFileSync(file, ndjson([...all, { ...all.at(-1)!, id: 'one more at the end' }]))
    expect(await importJson(file, ...data)).toMatchObject({ accepted: 1, replayed: all.length })

    writeFileSync(file, ndjson([...all.slice(0, 50), { ...all.at(-1)!, id: 'in between' }, ...all.slice(50)]))
    const moved = await purser('import', file, '--json', ...data)
    expect(moved.exitCode).toBe(1)
    expect(onlyJson(moved.stdout)).toMatchObject({ error: { code: 'import_differs' } })
    expect(moved.stdout).toContain(`line ${CHUNK_LINES + 1}`)
    await server.stop()
    // The row in between is in the chunk that has not moved away; none of the others has happened twice.
    const audit = onlyJson((await purser('audit', '--json', ...data)).stdout)
    expect(audit).toMatchObject({ ok: true, events: String(all.length + 2) })
  }))

test('rows whose ids have expired before they took effect get younger ones, and happen once', () =>
  withFolder(async (folder) => {
    const config = readConfig({ data: folder, port: '0', graphiql: 'false', engineMemory: '512' }, {})
    const platform = await startPlatform({ ...config, core: { idsPerGeneration: 64 }, log: () => undefined })
    try {
      const { url } = platform
      const importRows = (name: string, of: readonly object[]): Promise<ImportReport> =>
        importLines({ url, name, lines: linesOf(of), onError: 'stop' })
      const all = rows(20) as ImportRow[]
      // A run that was cut off right after it had begun the chunk, and then others' commands, until its ids are too old.
      const digest = rowDigest('late', all[0]!.type, all[0]!.id)
      await chunkBaseTimes(url, 'late', 0, { further: false, anchor: `0:${digest.toString('hex', 0, 8)}` })
      await new Promise((resolve) => setTimeout(resolve, 5))
      await importRows('others', rows(400))

      // Its accounts are opened by now, under other ids.
      const transfers = all.filter(({ type }) => type === 'transfer')
      const first = await importRows('late', all)
      expect(first).toMatchObject({ accepted: transfers.length, replayed: 0, refused: { account_exists: CUSTOMERS + 1 } })
      const kept = await chunkBaseTimes(url, 'late', 0, { further: false, anchor: '' })
      expect(kept.baseTimesMs.length).toBe(2)
      const again = await importRows('late', all)
      expect(again).toMatchObject({ accepted: 0, replayed: transfers.length, refused: first.refused })
    } finally {
      await platform.stop()
    }
  })) // prettier-ignore

async function* linesOf(of: readonly object[]): AsyncGenerator<ImportLine> {
  for (const [index, row] of of.entries()) yield readRow(row, index + 1)
}

function toCsv(of: readonly object[]): string {
  const value = (row: object, column: string): string => `${(row as Record<string, string | boolean>)[column] ?? ''}`
  const columns = [...new Set(of.flatMap((row) => Object.keys(row)))]
  const lines = of.map((row) => columns.map((column) => value(row, column)).join(','))
  return `${[columns.join(','), ...lines].join('\n')}\n`
} // prettier-ignore

/** Base times that the platform has kept: how many chunks were begun. */
function chunksBegun(registry: string): number {
  try {
    const [name] = readdirSync(registry)
    return name === undefined ? 0 : readFileSync(path.join(registry, name), 'utf8').split('\n').length - 1
  } catch {
    return 0
  }
}

/** `purser import` on the real thing: again, in another order, cut off, at once, and from files that are not what they seem. */
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../platform/configuration/config.ts'
import { accountIdOf } from '../cli/external-ids.ts'
import { graphql } from '../cli/graphql-client.ts'
import { BaseTimes } from '../cli/import/base-times.ts'
import { CHUNK_LINES } from '../cli/import/chunks.ts'
import { importLines } from '../cli/import/import-lines.ts'
import { describeReport, type ImportReport } from '../cli/import/report.ts'
import { readRow, type ImportLine, type ImportRow } from '../cli/import/file/rows.ts'
import { encodePosition } from '../gateway/positions/tokens.ts'
import { EVENT_ROW_BYTES } from '../schemas/limits.ts'
import { startPlatform, type Platform } from '../platform/embedded-platform.ts'
import { onlyJson, purser, spawnPurser, startServer, withFolder, type Finished } from './support/purser.ts'

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
    while (bytesIn(path.join(dataDir, 'log', '0')) < CHUNK_LINES * 3 * EVENT_ROW_BYTES)
      await new Promise((resolve) => setTimeout(resolve, 5))
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

test('a row happens once wherever it stands: in another place, behind new rows, beside bad lines', () =>
  withPlatform({}, async (platform) => {
    const all = rows(CHUNK_LINES + 900)
    const first = await load(platform, 'rows', all)
    expect(first).toMatchObject({ accepted: all.length, replayed: 0 })

    const swapped = [...all]
    ;[swapped[99], swapped[4_899]] = [swapped[4_899]!, swapped[99]!]
    for (const shape of [swapped, [...all].reverse(), all.slice(3_000), ['nonsense' as unknown as object, ...all]])
      expect(await load(platform, 'rows', shape, 'skip')).toMatchObject({
        accepted: 0, replayed: shape.filter((row) => typeof row === 'object').length, refused: {},
      })
    const added = { ...all.at(-1)!, id: 'in between' }
    const last = await load(platform, 'rows', [...all.slice(0, 50), added, ...all.slice(50)])
    expect(last).toMatchObject({ accepted: 1, replayed: all.length, refused: {} })
    expect([first.position, last.position]).toEqual([BigInt(all.length), BigInt(all.length + 1)].map((at) => encodePosition(new Map([[0, at]]))))
  })) // prettier-ignore

test('another month under the same name and row ids is not loaded and not passed over: it is told, and fails', () =>
  withFolder((folder) =>
    withPlatform({}, async (platform) => {
      const march = rows(20)
      const april = march.map((row) => ('amount' in row ? { ...row, amount: '2' } : row))
      const more = { ...april.at(-1)!, id: 'new in april' }
      await load(platform, 'month.ndjson', march)

      const file = path.join(folder, 'month.ndjson')
      writeFileSync(file, ndjson([...april, more]))
      const line = CUSTOMERS + 2
      const stopped = await purser('import', file, '--url', platform.url, '--json')
      expect(stopped.exitCode).toBe(1)
      const { reusedLines, ...report } = onlyJson(stopped.stdout)['report'] as { reusedLines: object[] }
      expect(report).toMatchObject({ accepted: 0, refused: { id_reused: 20 } })
      expect(reusedLines).toHaveLength(20)
      expect(reusedLines[0]).toMatchObject({ line })
      const skipped = await purser('import', file, '--url', platform.url, '--json', '--on-error', 'skip')
      expect(skipped.exitCode).toBe(1)
      expect(onlyJson(skipped.stdout)).toMatchObject({
        error: { code: 'id_reused' },
        report: { accepted: 1, replayed: CUSTOMERS + 1, refused: { id_reused: 20 } },
      })
      // Its own name makes it another file.
      const renamed = await load(platform, 'april', [...april, more])
      expect(renamed).toMatchObject({ accepted: 21, refused: { account_exists: CUSTOMERS + 1 } })
      const again = await load(platform, 'april', [...april, more])
      expect(again).toMatchObject({ accepted: 0, replayed: 21, refusedBefore: CUSTOMERS + 1 })
      expect(describeReport(again)).toContain('No row was new: all had been imported as "april" before.')
    }),
  )) // prettier-ignore

test('rows whose ids have expired before they took effect get younger ones, and happen once', () =>
  withPlatform({ core: { idsPerGeneration: 64 } }, async (platform) => {
    const all = rows(20) as ImportRow[]
    // A run that was cut off before it sent anything, and then others' commands, until its ids are too old.
    const times = await BaseTimes.open(platform.url, 'late', () => undefined)
    await times.begin(0, 0n)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await load(platform, 'others', rows(400))

    // Its accounts are opened by now, under other ids.
    const transfers = all.filter(({ type }) => type === 'transfer')
    const first = await load(platform, 'late', all)
    expect(first).toMatchObject({ accepted: transfers.length, replayed: 0, refused: { account_exists: CUSTOMERS + 1 } })
    expect((await BaseTimes.open(platform.url, 'late', () => undefined)).count(0)).toBe(2)
    expect(await load(platform, 'late', all)).toMatchObject({ accepted: 0, replayed: transfers.length, refused: first.refused })
  })) // prettier-ignore

test('rows of a name that has needed many base times are known under each, in whatever order they come', () =>
  withPlatform({ core: { idsPerGeneration: 64 } }, async (platform) => {
    const all = rows(300)
    const parts = [0, 1, 2, 3].map((part) => all.slice(part * 77, (part + 1) * 77))
    for (const part of parts) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(await load(platform, 'parts', part)).toMatchObject({ accepted: part.length })
    }
    expect((await BaseTimes.open(platform.url, 'parts', () => undefined)).count(0)).toBeGreaterThan(1)
    expect(await load(platform, 'parts', [...all].reverse())).toMatchObject({ accepted: 0, replayed: all.length, refused: {} })
  })) // prettier-ignore

test('rows whose own ids have been forgotten get younger ones, also when the import began an hour ago', () => {
  const began = (folder: string): void => {
    const entry = { import: 'long', partition: 0, baseMs: Date.now() - 3_600_000, after: '0' }
    const file = `${createHash('sha256').update('long').digest('hex')}.ndjson`
    mkdirSync(path.join(folder, 'imports'))
    writeFileSync(path.join(folder, 'imports', file), `${JSON.stringify(entry)}\n`)
  }
  return withPlatform({ core: { idsPerGeneration: 64 }, before: began }, async (platform) => {
    const all = rows(300)
    for (const part of [all.slice(0, 200), all.slice(200)])
      expect(await load(platform, 'long', part)).toMatchObject({ accepted: part.length })
    expect((await BaseTimes.open(platform.url, 'long', () => undefined)).count(0)).toBeGreaterThan(1)
  })
}) // prettier-ignore

test('what an earlier version loaded, by places in the file, is known and happens once', () =>
  withFolder(async (folder) => {
    const all = rows(30)
    const file = path.join(folder, 'rows.ndjson')
    const dataDir = path.join(folder, 'data')
    writeFileSync(file, ndjson(all))
    await importJson(file, '--data', dataDir)
    const [kept] = readdirSync(path.join(dataDir, 'imports'))
    const registry = path.join(dataDir, 'imports', kept!)
    const { import: name, baseMs } = JSON.parse(readFileSync(registry, 'utf8')) as { import: string; baseMs: number }
    writeFileSync(registry, `${JSON.stringify({ import: name, chunk: 0, baseMs, anchor: '0:0011223344556677' })}\n`)

    const more = { ...all.at(-1)!, id: 'new' }
    writeFileSync(file, ndjson([more, ...all.slice(1), all[0]!]))
    expect(await importJson(file, '--data', dataDir)).toMatchObject({ accepted: 1, replayed: all.length })
  })) // prettier-ignore

test('imports of one file at the same time load it once, over several partitions', () =>
  withPlatform({ partitions: '3' }, async (platform) => {
    const all = rows(300).filter((row) => (row as ImportRow).type === 'account')
    // Within a partition each: from an account to itself is refused, and a refusal is an outcome that happens once, too.
    const names = all.map((row) => (row as ImportRow).id)
    const transfers = names.flatMap((name, at) =>
      Array.from({ length: 40 }, (_, index) => ({
        type: 'transfer', id: `${name}/${index}`, debit: name, credit: names[(at + index) % names.length], amount: '1', currency: 'EUR',
      })),
    ) // prettier-ignore
    const lines = [...all, ...transfers]
    const reports = await Promise.all([1, 2, 3].map(() => load(platform, 'at once', lines, 'skip')))
    const outcomes = ({ accepted, replayed, refused, bad }: ImportReport): number =>
      accepted + replayed + Object.values(refused).reduce((sum, count) => sum + count, 0) + bad
    for (const report of reports) expect(outcomes(report)).toBe(lines.length)
    const again = await load(platform, 'at once', [...lines].reverse(), 'skip')
    expect(again).toMatchObject({ accepted: 0, bad: reports[0]!.bad })
    expect(again.replayed + again.refusedBefore + again.bad).toBe(lines.length)
    expect(reports.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(again.replayed)
  })) // prettier-ignore

describe('a file that is not what it seems', () => {
  test('of a file that is not UTF-8 nothing is loaded; where bad lines are skipped, two names never become one', () =>
    withFolder(async (folder) => {
      const data = ['--data', path.join(folder, 'data')]
      const server = await startServer(path.join(folder, 'data'))
      const many = ndjson(rows(CHUNK_LINES + 5))
      const odd = ['M\u00fcller', 'M\u00f6ller'].map((id) => `${JSON.stringify({ type: 'account', id, currency: 'EUR' })}\n`)
      const file = path.join(folder, 'latin1.ndjson')
      for (const packed of [false, true]) {
        const content = Buffer.from(many + odd.join(''), 'latin1')
        writeFileSync(file, packed ? gzipSync(content) : content)
        const stopped = await purser('import', file, ...data, '--json')
        expect(stopped.exitCode).toBe(1)
        const line = CHUNK_LINES + 5 + CUSTOMERS + 2
        expect(onlyJson(stopped.stdout)).toMatchObject({
          error: { code: 'bad_line' },
          report: { accepted: 0, lines: 0, badLines: [{ line, fault: expect.stringContaining('not UTF-8') as string }] },
        })
      }
      expect(await importJson(file, ...data, '--on-error', 'skip')).toMatchObject({ accepted: CHUNK_LINES + 5 + CUSTOMERS + 1, bad: 2 })
      const utf16 = path.join(folder, 'utf16.ndjson')
      for (const mark of ['', '\uFEFF']) {
        writeFileSync(utf16, Buffer.from(mark + odd.join(''), 'utf16le'))
        const refused = await purser('import', utf16, ...data, '--json')
        expect(refused.exitCode).toBe(1)
        expect(refused.stdout).toMatch(mark === '' ? /bad_line/ : /UTF-16/)
      }
      const { owner } = await graphql<{ owner: { nodes: object[] } }>(server.url, 'query($id: UUID!) { owner: history(accountId: $id) { nodes { memo } } }', { id: accountIdOf('M\ufffdller') })
        .catch(() => ({ owner: { nodes: [] } }))
      expect(owner.nodes).toEqual([])
      await server.stop()
    })) // prettier-ignore

  test('a stray quote, a long value and an open quote end the import or are skipped as asked, as in NDJSON', () =>
    withFolder(async (folder) => {
      const data = ['--data', path.join(folder, 'data')]
      const server = await startServer(path.join(folder, 'data'))
      const lines = ['type,id,currency,system,debit,credit,amount,memo', 'account,in,EUR,true,,,,', 'account,out,EUR,,,,,']
      const transfer = (id: string, memo: string): string => `transfer,${id},EUR,,in,out,1,${memo}`
      const file = path.join(folder, 'odd.csv')
      writeFileSync(file, [...lines, transfer('1', '27" screen'), transfer('2', '"a"b'), transfer('3', 'x'.repeat(70_000)), transfer('4', 'good'), transfer('5', '"open'), transfer('6', 'behind')].join('\n'))
      const stopped = await purser('import', file, ...data, '--json')
      expect(stopped.exitCode).toBe(1)
      expect(onlyJson(stopped.stdout)).toMatchObject({ error: { code: 'bad_line' }, report: { badLines: [{ line: 4 }] } })
      const skipped = await importJson(file, ...data, '--on-error', 'skip')
      expect(skipped).toMatchObject({ accepted: 3, bad: 5, badLines: [4, 5, 6, 8, 9].map((line) => ({ line })) })
      expect(JSON.stringify(skipped)).toContain('a quote opens here and is not closed')
      await server.stop()
    })) // prettier-ignore

  test('what comes through a pipe is read, packed or not, under the name that it is given; a bad line ends it though the pipe goes on', () =>
    withFolder((folder) =>
      withPlatform({}, async ({ url }) => {
        const all = rows(50)
        const file = path.join(folder, 'rows.ndjson.gz')
        writeFileSync(file, gzipSync(ndjson(all)))
        const fifo = path.join(folder, 'fifo')
        execFileSync('mkfifo', [fifo])
        const purserOf = (from: string): string => `"$NODE" "$PURSER" import ${from} --url ${url} --json`
        const ends = [
          await shell(`gunzip -c "$FILE" | ${purserOf('-')} --name piped`, file),
          await shell(`${purserOf('/dev/stdin')} --name piped < "$FILE"`, file),
          await shell(`${purserOf('<(gunzip -c "$FILE")')} --name piped`, file),
          await shell(`cat "$FILE" > ${fifo} & ${purserOf(fifo)} --name piped`, file),
        ]
        ends.forEach(({ stdout, stderr }, index) =>
          expect(onlyJson(stdout), stderr).toMatchObject({ ok: true, lines: all.length, [index === 0 ? 'accepted' : 'replayed']: all.length }),
        )
        const silent = `${purserOf('<(exec 2>/dev/null; seq 4200; exec sleep 600)')} --name silent; code=$?; kill $!; exit $code`
        const ended = await shell(silent, file)
        expect(ended.exitCode).toBe(1)
        expect(onlyJson(ended.stdout)).toMatchObject({ error: { code: 'bad_line' } })
        const nameless = await shell(`${purserOf('-')} < "$FILE"`, file)
        expect(nameless.exitCode).toBe(2)
        expect(onlyJson(nameless.stdout)).toMatchObject({ error: { code: 'usage', message: expect.stringContaining('--name') as string } })
      }),
    )) // prettier-ignore
})

describe('ordinary mistakes', () => {
  const DEAD = ['--url', 'http://127.0.0.1:2']
  test.each([
    ['a port where nobody listens', ['FILE', ...DEAD], 'platform_unavailable', /ECONNREFUSED.*Check --url/],
    ['a host that is none', ['FILE', '--url', 'http://nope.invalid'], 'platform_unavailable', /nope\.invalid.*Check --url/],
    ['an address that is none', ['FILE', '--url', 'nope'], 'usage', /--url/],
    ['a folder', ['FOLDER', ...DEAD], 'file_unreadable', /it is a folder/],
    ['a file that is not there', ['FILE.not', ...DEAD], 'file_unreadable', /no such file/],
    ['a name of two lines', ['FILE', ...DEAD, '--name', 'a\nb'], 'usage', /name of an import has 1 to 128 bytes/],
    ['an empty name', ['FILE', ...DEAD, '--name', ''], 'usage', /name of an import/],
    ['a name too long', ['FILE', ...DEAD, '--name', 'x'.repeat(129)], 'usage', /name of an import/],
    ['a name with a lost character', ['FILE', ...DEAD, '--name', 'M\ufffdller'], 'usage', /name of an import/],
    ['a name that is a step in a path', ['FILE', ...DEAD, '--name', '..'], 'usage', /name of an import/],
    ['no path at all', ['', ...DEAD], 'usage', /^FILE: expected a path/],
    ['a format that is none', ['FILE', ...DEAD, '--format', 'xml'], 'usage', /xml/],
  ])('%s: one sentence and a code, once, within five seconds', (_what, args, code, message) =>
    withFolder(async (folder) => {
      const file = path.join(folder, 'rows.ndjson')
      writeFileSync(file, ndjson(rows(1)))
      const given = args.map((arg) => arg.replace(/^FILE/, file).replace(/^FOLDER/, folder))
      const { stdout, stderr, exitCode } = await purser('import', ...given, '--json')
      expect(onlyJson(stdout)).toMatchObject({ ok: false, error: { code, message: expect.stringMatching(message) as string } })
      expect(stderr).toBe('')
      expect(exitCode).toBe(code === 'usage' ? 2 : 1)
    }),
  ) // prettier-ignore
})

/** Runs a line of bash that knows `$NODE`, `$PURSER` and a `$FILE`. */
function shell(line: string, file: string): Promise<Finished> {
  const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'bin', 'purser.js')
  const child = spawn('bash', ['-c', line], {
    env: { ...process.env, FILE: file, NODE: process.execPath, PURSER: program },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  return new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr })))
}

/** A platform within this process, for what no option sets. */
function withPlatform(
  { core, partitions = '1', before }: {
    readonly core?: { readonly idsPerGeneration: number }
    readonly partitions?: string
    /** Told of the data folder before there is anything in it. */
    readonly before?: (folder: string) => void
  },
  work: (platform: Platform) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    before?.(folder)
    const config = readConfig({ data: folder, port: '0', graphiql: 'false', engineMemory: '512', partitions }, {})
    const platform = await startPlatform({ ...config, ...(core === undefined ? {} : { core }), log: () => undefined })
    try {
      await work(platform)
    } finally {
      await platform.stop()
    }
  })
} // prettier-ignore

function load(
  { url }: Platform,
  name: string,
  of: readonly object[],
  onError: 'stop' | 'skip' = 'stop',
): Promise<ImportReport> {
  return importLines({ url, name, lines: linesOf(of), onError })
}

async function* linesOf(of: readonly object[]): AsyncGenerator<ImportLine> {
  for (const [index, row] of of.entries()) yield readRow(row, index + 1)
}

function toCsv(of: readonly object[]): string {
  const value = (row: object, column: string): string => `${(row as Record<string, string | boolean>)[column] ?? ''}`
  const columns = [...new Set(of.flatMap((row) => Object.keys(row)))]
  const lines = of.map((row) => columns.map((column) => value(row, column)).join(','))
  return `${[columns.join(','), ...lines].join('\n')}\n`
} // prettier-ignore

/** Bytes of the files of a folder; 0 where there is none yet. */
function bytesIn(folder: string): number {
  try {
    return readdirSync(folder).reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0)
  } catch {
    return 0
  }
}

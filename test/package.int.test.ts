/** The package as others have it: packed, unpacked beside its dependencies, type-checked and run by a program of theirs. */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const EMBED = readFileSync(path.join(root, 'examples', 'embed.ts'), 'utf8')
/** What a program of others has in its own package: everything that ours asks for, and Node's types. */
const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  dependencies: Readonly<Record<string, string>>
}
const INSTALLED = [...Object.keys(dependencies), '@types/node']
const PACK_MS_MAX = 180_000

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'purser-package-'))
  await pack(folder)
}, PACK_MS_MAX)
afterAll(() => rm(folder, { recursive: true, force: true }))

test('it holds what runs and what it says of its types, and neither sources nor tests', async () => {
  const files = await readdir(path.join(folder, 'node_modules', 'purser'), { recursive: true })
  expect(files).toContain('dist/platform/index.js')
  expect(files).toContain('dist/types/client/index.d.ts')
  expect(files.filter((name) => /(?<!\.d)\.ts$|testing|\.test\./.test(name))).toEqual([])
  expect(files.filter((name) => /^(dist\/)?(test|bench|examples|docs)\b/.test(name))).toEqual([])
})

test('a program of others is checked against its types, and what is missing or wrong is an error there', async () => {
  await writeFile(path.join(folder, 'embed.ts'), EMBED)
  await writeFile(path.join(folder, 'wrong.ts'), WRONG)
  const { exitCode, output } = await run(folder, process.execPath, path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.')
  expect({ exitCode, output }).toEqual({ exitCode: 0, output: '' })
}, PACK_MS_MAX) // prettier-ignore

test('it runs there: a platform inside the program, a client of it, and nothing is said but what the program says', async () => {
  const { exitCode, output } = await run(folder, process.execPath, 'embed.js', path.join(folder, 'data'))
  expect(output).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/graphql serves; 12\.50 EUR for alice: accepted\n$/)
  expect(exitCode).toBe(0)
})

test('its own command runs there as well', async () => {
  const { exitCode, output } = await run(folder, process.execPath, 'node_modules/purser/bin/purser.js', 'id', 'new')
  expect(output).toMatch(/^[0-9a-f-]{36}\n$/)
  expect(exitCode).toBe(0)
}) // prettier-ignore

test('a view in a project of its own, outside the tree, is checked against the types, by the program, and by its own test', async () => {
  const project = await strangersProject('daily-volume')
  const file = 'daily-volume.ts'
  const types = await run(project, process.execPath, path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.')
  expect(types).toEqual({ exitCode: 0, output: '' })
  const checked = await run(project, process.execPath, PURSER, 'projections', 'check', file)
  expect(checked).toMatchObject({ exitCode: 0, output: expect.stringContaining('daily_volume (sql, version 1) is fit') as string })
  await writeFile(path.join(project, 'play.mjs'), PLAY)
  const played = await run(project, process.execPath, 'play.mjs')
  expect(played).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^daily_volume: 1 rows in \d+ runs\n$/) as string })
  const text = await readFile(path.join(project, file), 'utf8')
  await writeFile(path.join(project, file), text.replace(', amount`', ', max(amount) AS amount`'))
  const spoiled = await run(project, process.execPath, PURSER, 'projections', 'check', file)
  expect(spoiled.exitCode).toBe(1)
  const line = text.slice(0, text.indexOf('select:')).split('\n').length
  expect(spoiled.output).toContain(`daily-volume.ts:${line}: Table daily_volume: it adds up over several events.`)
}, PACK_MS_MAX) // prettier-ignore

test('a platform is started with it by its command, and its field is asked over GraphQL', async () => {
  const project = await strangersProject('velocity')
  await writeFile(path.join(project, 'purser.config.ts'), CONFIG)
  const child = spawn(process.execPath, [PURSER, 'start', '--port', '0', '--data', 'data', '--json'], { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    const said = await new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve))
    const { graphql } = JSON.parse(said) as { graphql: string }
    const response = await fetch(graphql, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ velocityFlags { accountId } projections { name state } }' }),
    })
    const { data } = (await response.json()) as { data: { velocityFlags: unknown; projections: { name: string }[] } }
    expect(data.velocityFlags).toEqual([])
    expect(data.projections.map(({ name }) => name)).toContain('velocity')
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}, PACK_MS_MAX) // prettier-ignore

const PURSER = 'node_modules/purser/bin/purser.js'
const CONFIG = `import { defineConfig } from 'purser/projections'
export default defineConfig({ projections: ['./velocity.ts'] })
`
/** The scenario kit of the package, in plain JavaScript. */
const PLAY = `import { scenario } from 'purser/projections/kit'
const { rows, runs } = await scenario({
  view: new URL('./daily-volume.ts', import.meta.url),
  given: [
    { kind: 'openAccount', accountId: 'bank', system: true, currency: 'EUR' },
    { kind: 'openAccount', accountId: 'alice', currency: 'EUR' },
    { kind: 'transfer', debitAccountId: 'bank', creditAccountId: 'alice', amount: '5', currency: 'EUR' },
  ],
  rows: { daily_volume: [{ amount: 5n }] },
})
console.log(\`daily_volume: \${rows.daily_volume.length} rows in \${runs.length} runs\`)
`

/** An example's folder, copied beside the package as it was unpacked. */
async function strangersProject(name: string): Promise<string> {
  const project = path.join(folder, 'projects', name)
  await mkdir(path.dirname(project), { recursive: true })
  await cp(path.join(root, 'examples', 'projections', name), project, {
    recursive: true,
    filter: (file) => !file.endsWith('.test.ts'),
  })
  await symlink(path.join(folder, 'node_modules'), path.join(project, 'node_modules'))
  await writeFile(path.join(project, 'tsconfig.json'), JSON.stringify({ ...TSCONFIG, include: ['*.ts'] }))
  return project
}

/** Lines of which each has to be refused by the compiler. */
const WRONG = `import { codeProjection, defineView } from 'purser/projections'
import { startPlatform, PlatformError, type PlatformErrorCode } from 'purser/platform'
import { connectBulk } from 'purser/client'
// @ts-expect-error no data folder
await startPlatform({})
// @ts-expect-error a port is a number
await startPlatform({ dataDir: 'data', port: '4000' })
// @ts-expect-error there is no such kind
await (await connectBulk({ url: 'http://127.0.0.1:4000' })).submit({ kind: 'Give', id: { high: 0n, low: 1n } })
const projection = codeProjection({
  name: 'mine',
  version: 1,
  tables: { mine: { columns: { amount: 'Int64' }, key: [] } },
  // @ts-expect-error an Int64 is a bigint
  project: () => ({ mine: [{ amount: 1 }] }),
})
// @ts-expect-error a view has no such field
export const view = defineView({ projection, schema: () => undefined })
// @ts-expect-error there is no such code
export const code: PlatformErrorCode = 'out_of_paper'
export const known: PlatformErrorCode = new PlatformError('folder_in_use', 'Taken.').code
`

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    target: 'ES2023',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    types: ['node'],
    // Node's types and those of others are not ours to check; that what we export is not `any`, wrong.ts shows.
    skipLibCheck: true,
  },
}

/** Packs the repository and unpacks it where `npm install` would put it. */
async function pack(stranger: string): Promise<void> {
  const packed = await run(root, 'npm', 'pack', '--offline', '--pack-destination', stranger)
  expect(packed.exitCode, packed.output).toBe(0)
  const tarball = (await readdir(stranger)).find((name) => name.endsWith('.tgz'))!
  const modules = path.join(stranger, 'node_modules')
  await mkdir(path.join(modules, 'purser'), { recursive: true })
  const unpacked = await run(stranger, 'tar', '-xzf', tarball, '--strip-components=1', '-C', path.join(modules, 'purser'))
  expect(unpacked.exitCode, unpacked.output).toBe(0)
  for (const name of INSTALLED) {
    await mkdir(path.dirname(path.join(modules, name)), { recursive: true })
    await symlink(path.join(root, 'node_modules', name), path.join(modules, name))
  }
  await writeFile(path.join(stranger, 'package.json'), JSON.stringify({ type: 'module' }))
  await writeFile(path.join(stranger, 'tsconfig.json'), JSON.stringify(TSCONFIG))
} // prettier-ignore

interface Finished {
  readonly exitCode: number | null
  /** Of both streams. */
  readonly output: string
}

function run(cwd: string, command: string, ...args: readonly string[]): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.once('error', reject)
    child.once('close', (exitCode) => resolve({ exitCode, output }))
  })
}

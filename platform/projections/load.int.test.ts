/** Views from files: what is loaded, from where, and what is refused before anything starts. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadViews } from './load.ts'

let folder: string
let modules: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'views-'))
  modules = await mkdtemp(path.join(os.tmpdir(), 'modules-'))
})
afterEach(async () => {
  for (const one of [folder, modules]) await rm(one, { recursive: true, force: true })
})

/** A code projection in a file, from its name. */
function code(name: string, more = ''): string {
  return `import { codeProjection, defineView } from 'purser/projections'
${more}
export default defineView({
  projection: codeProjection({
    name: '${name}',
    version: 1,
    tables: { ${name}: { columns: { owner: 'String' }, key: [] } },
    project: ({ owner }) => ({ ${name}: [{ owner }] }),
  }),
})
`
}

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
}

const namesOf = async (files: readonly string[] = [], config?: string): Promise<readonly string[]> =>
  (await loadViews({ folder, files, config, modules })).map(({ view }) => view.projection.name)

/** The message, with the folder's name cut off. */
async function refused(files: readonly string[] = [], config?: string): Promise<string> {
  const error: unknown = await namesOf(files, config).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ name: 'PlatformError', code: 'projection_unfit' })
  return (error as Error).message.replaceAll(`${folder}/`, '')
}

test('views come from the configuration of the folder, with their files or in place, and from files that are named', async () => {
  await write({
    'purser.config.ts': `import { defineConfig } from 'purser/projections'
import inPlace from './views/in-place.ts'
export default defineConfig({ projections: ['./views/by-name.ts', inPlace] })`,
    'views/by-name.ts': code('by_name', "import { helper } from './helper.js'\nhelper satisfies string"),
    'views/helper.ts': "export const helper: string = 'typed'",
    'views/in-place.ts': code('in_place'),
    'more.ts': code('more'),
  })
  expect(await namesOf(['./more.ts', 'views/by-name.ts'])).toEqual(['by_name', 'in_place', 'more'])
  await rm(path.join(folder, 'purser.config.ts'))
  expect(await namesOf()).toEqual([])
  await write({ 'other.ts': 'export default { projections: [] }' })
  expect(await namesOf([], 'other.ts')).toEqual([])
})

test('each view names a module that a thread can load, whose default export it is; packages are those of its folder', async () => {
  await write({
    'node_modules/rates/package.json': '{ "name": "rates", "main": "main.cjs" }',
    'node_modules/rates/main.cjs': 'exports.rate = 7',
    'rated.ts': `import { rate } from 'rates'\n${code('rated')}\nexport const seen = [rate, import.meta.dirname]`,
    'purser.config.ts': `import rated from './rated.ts'\nexport default { projections: [rated] }`,
  })
  const [inPlace] = await loadViews({ folder, modules })
  await rm(path.join(folder, 'purser.config.ts'))
  const [byFile] = await loadViews({ folder, files: ['rated.ts'], modules })
  expect(((await import(byFile!.view.module!)) as { seen: unknown }).seen).toEqual([7, folder])
  for (const { view } of [inPlace!, byFile!]) {
    const worker = new Worker(
      `import(require('node:worker_threads').workerData).then(({ default: view }) => require('node:worker_threads').parentPort.postMessage(view.projection.name))`,
      { eval: true, workerData: view.module },
    )
    expect(await new Promise((resolve) => worker.once('message', resolve))).toBe('rated')
  }
})

describe('refused with file, line and what to do:', () => {
  test.each([
    ['a file that is not there', {}, ['no.ts'], 'no.ts: There is no such file. Check the path.'],
    ['no TypeScript', { 'a.ts': 'const a = 1\nconst b = = 2' }, ['a.ts'], 'a.ts:2: Unexpected "=".'],
    ['a package that is not there', { 'a.ts': "\nimport 'no-such-package'" }, ['a.ts'], 'a.ts:2: The package no-such-package is not there. Install it in'],
    ['an entry that there is not', { 'a.ts': "import 'purser/projektions'" }, ['a.ts'], 'a.ts:1: There is no purser/projektions. Import one of purser/projections, '],
    ['a file that throws', { 'a.ts': "\n\nthrow new Error('not today')" }, ['a.ts'], 'a.ts:3: It cannot be loaded: not today'],
    ['a file without a view', { 'a.ts': 'export const view = 1' }, ['a.ts'], 'a.ts: It has to export its view: `export default { projection, addToSchema }`.'],
    ['a name twice', { 'a.ts': code('mine'), 'b.ts': code('mine') }, ['a.ts', 'b.ts'], 'b.ts:5: There is a projection mine already.'],
    ['a name of ours', { 'a.ts': code('history') }, ['a.ts'], 'a.ts:5: There is a projection history already.'],
    ["another one's table", { 'a.ts': code('mine'), 'b.ts': code('other').replace('tables: { other', 'tables: { mine') }, ['a.ts', 'b.ts'], 'b.ts:7: The projection mine has a table mine already.'],
    ['a bad name', { 'a.ts': code('Mine') }, ['a.ts'], 'a.ts:5: The name of a projection has lower-case letters'],
    ['a bad version', { 'a.ts': code('mine').replace('version: 1', 'version: 0') }, ['a.ts'], 'a.ts:6: The version is a whole number from 1 to 65535, not 0.'],
    ['a misspelt field', { 'a.ts': code('mine').replace('version: 1', 'version: 1, keyOf: () => []') }, ['a.ts'], 'a.ts:6: A projection of the kind code has no field keyOf.'],
    ['a type that there is not', { 'a.ts': code('mine').replace("'String'", "'Text'") }, ['a.ts'], 'a.ts:7: Table mine: The column owner has the type "Text".'],
    ['a key that is no column', { 'a.ts': code('mine').replace('key: []', "key: ['id']") }, ['a.ts'], 'a.ts:7: Table mine: The key names "id", which is no column.'],
    ['half a fold', { 'a.ts': code('mine').replace('version: 1', 'version: 1, fold: (state) => state') }, ['a.ts'], 'a.ts:6: keysOf, initial and fold come together'],
    ['a field of the schema that is there', { 'a.ts': code('mine').replace('  projection:', "  addToSchema({ builder }) {\n builder.queryField('transfer', (t) => t.boolean({ resolve: () => true })) },\n  projection:") }, ['a.ts'], 'a.ts:4: What it adds to the schema does not fit: '],
    ['a configuration without one', { 'purser.config.ts': 'export const x = 1' }, [], 'purser.config.ts: It has to export its configuration'],
    ['a field that no configuration has', { 'purser.config.ts': 'export default {\n views: [] }' }, [], 'purser.config.ts:2: There is no field views in a configuration.'],
  ] as const)('%s', async (_what, files, named, expected) => {
    await write(files)
    expect((await refused(named)).slice(0, expected.length)).toBe(expected)
  }) // prettier-ignore

  test('all faults of all files at once', async () => {
    await write({ 'a.ts': code('A').replace("'String'", "'Text'"), 'b.ts': code('B') })
    expect((await refused(['a.ts', 'b.ts'])).split('\n').map((line) => line.split(' ')[0])).toEqual(['a.ts:5:', 'a.ts:7:', 'b.ts:5:', 'b.ts:7:']) // prettier-ignore
  })
})

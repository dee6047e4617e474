/** Every fault planted in the views' runtime is found within its budget of seeds. */
import { build as bundle } from 'esbuild'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { runAlone } from './alone.ts'
import { VIEWS_MUTANTS, type Mutant } from './mutants.ts'

const SEEDS_MAX = 300
const SEEDS_WHOLE = 20
const root = path.resolve(import.meta.dirname, '../../..')
let folder: string

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'purser-views-mutants-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The simulation with the fault in it, as one file. */
async function planted(mutant: Mutant | undefined, name: string): Promise<typeof runAlone> {
  const outfile = path.join(folder, `${name}.mjs`)
  await bundle({
    entryPoints: [path.join(import.meta.dirname, 'alone.ts')],
    bundle: true,
    outfile,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
    plugins: [
      {
        name: 'mutant',
        setup(build) {
          build.onLoad({ filter: /\/projectors\/[a-z-]+\.ts$/ }, ({ path: file }) => {
            if (path.relative(root, file) !== mutant?.file) return undefined
            const source = readFileSync(file, 'utf8')
            if (source.split(mutant.find).length !== 2)
              throw new Error(`${mutant.file} does not have exactly one ${mutant.find}`)
            return { contents: source.replace(mutant.find, () => mutant.replace), loader: 'ts' }
          })
        },
      },
    ],
  })
  const built = (await import(/* @vite-ignore */ pathToFileURL(outfile).href)) as {
    runAlone: typeof runAlone
  }
  return built.runAlone
}

it('nothing is found where nothing was planted', async () => {
  const run = await planted(undefined, 'whole')
  for (let seed = 1; seed <= SEEDS_WHOLE; seed++) expect((await run(seed)).failure).toBeUndefined()
})

it.each(VIEWS_MUTANTS.map((mutant, index) => [mutant.name, mutant, index] as const))(
  '%s: found by a seed',
  async (_, mutant, index) => {
    const run = await planted(mutant, String(index))
    let failure: string | undefined
    for (let seed = 1; seed <= SEEDS_MAX && failure === undefined; seed++) failure = (await run(seed)).failure
    expect(failure).toBeDefined()
  },
)

/** Faults planted in the views' runtime that only a lying log or a lost table brings out: each is found within its seeds. */
import { build as bundle } from 'esbuild'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { runAlone } from './alone.ts'
import type { Mutant } from '../mutants.ts'
import { ROOT } from '../places.ts'
import { patchedSources } from '../run-mutants.ts'
import { VIEWS_ALONE_MUTANTS } from './mutants.ts'

const SEEDS_MAX = 300
const SEEDS_WHOLE = 20
let folder: string

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'purser-views-mutants-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The simulation with the fault in it, as one file. */
async function planted(mutant: Mutant | undefined, name: string): Promise<typeof runAlone> {
  const patched = mutant === undefined ? new Map<string, string>() : patchedSources(mutant)
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
            const contents = patched.get(path.relative(ROOT, file))
            if (contents === undefined) return undefined
            return { contents, loader: 'ts' }
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

it.each(VIEWS_ALONE_MUTANTS.map((mutant, index) => [mutant.name, mutant, index] as const))(
  '%s: found by a seed',
  async (_, mutant, index) => {
    const run = await planted(mutant, String(index))
    let failure: string | undefined
    for (let seed = 1; seed <= SEEDS_MAX && failure === undefined; seed++) failure = (await run(seed)).failure
    expect(failure).toBeDefined()
  },
)

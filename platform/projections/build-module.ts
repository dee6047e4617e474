/**
 * Makes of an author's file, in TypeScript or JavaScript, one module that any thread of this program can import. What the file
 * imports from beside itself goes into it; packages are found from the author's folder; `purser/…` is this very program, so
 * nothing has to be installed beside the file.
 */
import { readFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BuildFailure, Loader, Plugin } from 'esbuild'
import { runtimeEntry } from '../../eventlog/runtime-entry.ts'
import type { AuthorFault } from './author-file.ts'
import { ProjectionUnfitError } from './errors.ts'

/** What this program is to the modules that it loads. */
const ENTRIES: Readonly<Record<string, string>> = {
  'purser/projections': runtimeEntry(new URL('../../projectors/kit/index.ts', import.meta.url)),
  'purser/projections/kit': runtimeEntry(new URL('../../projectors/kit/scenario.ts', import.meta.url)),
  'purser/platform': runtimeEntry(new URL('../index.ts', import.meta.url)),
  'purser/client': runtimeEntry(new URL('../../client/index.ts', import.meta.url)),
}

let count = 0

/**
 * Builds a file into `folder`, with its source map beside.
 * @returns the module's URL
 * @throws ProjectionUnfitError that names file and line
 */
export async function buildModule(file: string, folder: string): Promise<string> {
  const { build } = await import('esbuild')
  const name = path.basename(file).replace(/\.[^.]*$/, '')
  const outfile = path.join(folder, `${name}.${++count}.mjs`)
  try {
    await build({
      entryPoints: [file],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'linked',
      logLevel: 'silent',
      plugins: [placesOfAuthor, packagesOfAuthor],
    })
  } catch (error) {
    const { errors = [] } = error as Partial<BuildFailure>
    if (errors.length === 0) throw error
    throw new ProjectionUnfitError(errors.map((one) => faultOfBuild(one, file)))
  }
  return pathToFileURL(outfile).href
}

function faultOfBuild({ text, location }: BuildFailure['errors'][number], file: string): AuthorFault {
  const at = location === null ? file : path.resolve(location.file)
  return { file: at, line: location?.line ?? 0, problem: /[.!?]$/.test(text) ? text : `${text}.` }
}

/** What a file says of its own place is the place of the file, not of what is made of it. */
const placesOfAuthor: Plugin = {
  name: 'places-of-author',
  setup(build) {
    build.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8')
      if (!text.includes('import.meta.')) return undefined
      const places = { url: pathToFileURL(file).href, filename: file, dirname: path.dirname(file) }
      const contents = text.replaceAll(
        /\bimport\.meta\.(url|filename|dirname)\b/g,
        (_all, name: keyof typeof places) => JSON.stringify(places[name]),
      )
      return { contents, loader: path.extname(file).replace(/^\.[cm]?/, '') as Loader }
    })
  },
}

/** Packages stay what they are, and are found where the author's own program would find them. */
const packagesOfAuthor: Plugin = {
  name: 'packages-of-author',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path: name, resolveDir, kind, importer, pluginData }) => {
      if (kind === 'entry-point' || pluginData === 'asked') return undefined
      if (isBuiltin(name) || /^(file|data):/.test(name)) return { path: name, external: true }
      if (/^purser(\/|$)/.test(name)) {
        const entry = ENTRIES[name]
        if (entry !== undefined) return { path: pathToFileURL(entry).href, external: true }
        const known = Object.keys(ENTRIES).join(', ')
        return { errors: [{ text: `There is no ${name}. Import one of ${known}.` }] }
      }
      const found = await build.resolve(name, { resolveDir, kind, importer, pluginData: 'asked' })
      const text = `The package ${name} is not there. Install it in ${resolveDir}, or correct the name.`
      if (found.errors.length > 0) return { errors: [{ text }] }
      // What a tsconfig calls by another name is the author's own, and no package.
      if (!found.path.includes(`${path.sep}node_modules${path.sep}`)) return found
      return { path: pathToFileURL(found.path).href, external: true }
    })
  },
}

/**
 * Turns the TypeScript sources into `dist/` with esbuild: file by file, nothing bundled, source maps beside.
 *
 * `ensureBuilt()` does it only when a source is newer than the last build, so that `npm start` needs no
 * separate step and a second start costs nothing. Node 20 cannot run TypeScript itself, and worker threads
 * and child processes want plain files.
 */
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { PROGRAM_FOLDERS } from './folders.js'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folders = [
  ...PROGRAM_FOLDERS,
  'bench',
  'examples',
  'test/model',
  'test/simulation',
  'test/exploration',
  'test/compose',
  'test/support',
]
/** What is read beside the built files, and needs no building. */
const assets = ['test/support/kafka/pom.xml']
/** Holds the folder that is kept. */
const KEPT_VARIABLE = 'PURSER_TESTS_BUILT'
const stampFile = path.join(root, 'dist', 'build-stamp')

/** @returns {string[]} every TypeScript source that is part of the program, tests left out */
function sources() {
  return folders.flatMap((folder) => {
    const from = path.join(root, folder)
    try {
      return readdirSync(from, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !/\.(test|testing|d)\.ts$/.test(name))
        .map((name) => path.join(from, name))
    } catch {
      return []
    }
  })
}

/** A digest of names, sizes and times: equal digests mean that the last build is still the sources' own. */
function stampOf(files) {
  const hash = createHash('sha256')
  hash.update(readFileSync(path.join(root, 'package.json')))
  for (const file of [...files, fileURLToPath(import.meta.url)].sort()) {
    const { size, mtimeMs } = statSync(file)
    hash.update(`${file}\0${size}\0${mtimeMs}\n`)
  }
  return hash.digest('hex')
}

/**
 * Says to every process that comes of this one that `dist/` is to be taken as it is now: none looks at the sources again, and
 * none builds in the middle of what the others run from.
 */
export function keepBuilt() {
  process.env[KEPT_VARIABLE] = path.join(root, 'dist')
}

/**
 * Builds `dist/` if it is missing or older than the sources.
 * @returns {Promise<string>} the folder with the built files
 */
export async function ensureBuilt() {
  const dist = path.join(root, 'dist')
  if (process.env[KEPT_VARIABLE] === dist) return dist
  const files = sources()
  // An image holds the built program alone.
  if (files.length === 0) return dist
  const stamp = stampOf(files)
  try {
    if (readFileSync(stampFile, 'utf8') === stamp) return dist
  } catch {
    // Never built: go on.
  }
  const { build } = await import('esbuild')
  // Built aside and renamed, so that a process that starts meanwhile never reads half a build.
  const aside = path.join(root, `dist.${process.pid}`)
  rmSync(aside, { recursive: true, force: true })
  await build({
    entryPoints: files,
    outdir: aside,
    outbase: root,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    logLevel: 'error',
  })
  rewriteImports(aside)
  for (const asset of assets)
    if (existsSync(path.join(root, asset))) copyFileSync(path.join(root, asset), path.join(aside, asset))
  writeFileSync(path.join(aside, 'build-stamp'), stamp)
  const old = `${aside}.old`
  try {
    renameSync(dist, old)
  } catch {
    // There was none.
  }
  renameSync(aside, dist)
  rmSync(old, { recursive: true, force: true })
  return dist
}

/** esbuild leaves import paths as they stand when it does not bundle: `./x.ts` has to say `./x.js`. */
function rewriteImports(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue
    const file = path.join(folder, name)
    writeFileSync(file, withBuiltImports(readFileSync(file, 'utf8')))
  }
}

/** @param {string} text */
function withBuiltImports(text) {
  return text.replace(/(from\s*|import\s*\(?\s*|new URL\(\s*)"(\.{1,2}\/[^"]+)\.ts"/g, '$1"$2.js"')
}

/**
 * One source, as `dist/` would hold it.
 * @param {string} text
 * @returns {Promise<string>}
 */
export async function transpile(text) {
  const { transform } = await import('esbuild')
  const { code } = await transform(text, { loader: 'ts', format: 'esm', platform: 'node', target: 'node20' })
  return withBuiltImports(code)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await ensureBuilt()
}

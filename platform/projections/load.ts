/**
 * Views from outside this repository: those that `purser.config.ts` lists, and files that are named one by one. Each file is
 * built, imported and looked over before anything starts; what is wrong is told with the file, the line and what to do.
 */
import { existsSync, realpathSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSchema } from '../../gateway/schema/schema.ts'
import type { View } from '../../gateway/view.ts'
import type { ProjectConfig } from '../../projectors/kit/define.ts'
import { BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'
import { AuthorFile, faultOf, placeIn } from './author-file.ts'
import { buildModule } from './build-module.ts'
import { ProjectionUnfitError } from './errors.ts'
import { faultsOf, type AuthoredView } from './fitness.ts'

/** What is looked for where nothing else is said, in this order. */
export const CONFIG_FILES = ['purser.config.ts', 'purser.config.mts', 'purser.config.js', 'purser.config.mjs']
/** What a configuration may say. */
const CONFIG_FIELDS = ['projections'] as const satisfies readonly (keyof ProjectConfig)[]

export interface LoadRequest {
  /** Where the configuration is looked for, and what relative paths start from. */
  readonly folder: string
  /** The configuration; undefined: the one in `folder`, if there is one. */
  readonly config?: string | undefined
  /** Files of which each exports a view by default. */
  readonly files?: readonly string[]
  /** Modules are written here. It has to stay as long as anything runs that was loaded: threads load them again. */
  readonly modules: string
}

/**
 * A view from a file alone, without a configuration, looked over like those of a deployment.
 * @param file relative to the working directory
 * @throws ProjectionUnfitError
 */
export async function loadOne(file: string, modules: string): Promise<AuthoredView> {
  const view = await loadView(existing(path.resolve(file)), modules)
  lookOver([view])
  return view
}

/**
 * Loads the views, in the order in which they are named, and looks them over (fitness.ts), together with the built-in ones.
 * @throws ProjectionUnfitError with every fault that was found
 */
export async function loadViews(request: LoadRequest): Promise<readonly AuthoredView[]> {
  const { folder, files = [], modules } = request
  const config = findConfig(request)
  const listed = config === undefined ? [] : await loadConfig(config, modules)
  const seen = new Set(listed.map(({ source }) => source.file))
  const views = [...listed]
  for (const file of files) {
    const found = existing(path.resolve(folder, file))
    if (seen.has(found)) continue
    seen.add(found)
    views.push(await loadView(found, modules))
  }
  lookOver(views)
  return views
}

function lookOver(views: readonly AuthoredView[]): void {
  const faults = faultsOf(views, BUILT_IN_VIEWS)
  if (faults.length > 0) throw new ProjectionUnfitError(faults)
  checkSchema(views)
}

/** The configuration that counts, if there is one. @throws ProjectionUnfitError if one is named that is not there */
export function findConfig({ folder, config }: Pick<LoadRequest, 'folder' | 'config'>): string | undefined {
  if (config !== undefined) return existing(path.resolve(folder, config))
  return CONFIG_FILES.map((name) => path.resolve(folder, name)).find((file) => existsSync(file))
}

/** The file by its one true name. */
function existing(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    throw new ProjectionUnfitError([{ file, line: 0, problem: 'There is no such file. Check the path.' }])
  }
}

async function loadConfig(file: string, modules: string): Promise<AuthoredView[]> {
  const source = new AuthorFile(file)
  const unfit = (problem: string, ...words: readonly string[]): ProjectionUnfitError =>
    new ProjectionUnfitError([source.fault(problem, ...words)])
  const { url, exported } = await importFile(file, modules)
  if (!isObject(exported))
    throw unfit('It has to export its configuration: `export default defineConfig({ projections: [] })`.')
  for (const key of Object.keys(exported))
    if (!(CONFIG_FIELDS as readonly string[]).includes(key))
      throw unfit(`There is no field ${key} in a configuration. There are: ${CONFIG_FIELDS.join(', ')}.`, key)
  const { projections = [] } = exported as ProjectConfig
  if (!Array.isArray(projections)) throw unfit('projections is a list of views, or of files.', 'projections')
  const views: AuthoredView[] = []
  for (const [index, entry] of (projections as NonNullable<ProjectConfig['projections']>).entries()) {
    if (typeof entry === 'string') views.push(await loadView(existing(path.resolve(path.dirname(file), entry)), modules))
    else if (isObject(entry)) {
      const module = writeShim(file, url, index, modules)
      views.push({ view: { ...entry, module }, source, built: url })
    } else throw unfit(`Entry ${index + 1} of projections is neither a view nor a file.`, 'projections')
  }
  return views
} // prettier-ignore

/** A module whose default export is one view of a configuration: threads load it by itself. */
function writeShim(source: string, config: string, index: number, modules: string): string {
  const name = path.basename(fileURLToPath(config), '.mjs')
  const file = path.join(modules, `${name}.entry-${index}.mjs`)
  writeFileSync(file, `import config from '${config}'\nexport default config.projections[${index}]\n`)
  writeFileSync(`${file}.map`, JSON.stringify({ version: 3, sources: [source], mappings: '' }))
  return pathToFileURL(file).href
}

/**
 * Loads the view that a file exports by default, and says where its module is.
 * @throws ProjectionUnfitError
 */
export async function loadView(file: string, modules: string): Promise<AuthoredView> {
  const source = new AuthorFile(file)
  const { url, exported } = await importFile(file, modules)
  if (!isObject(exported) || !('projection' in exported))
    throw new ProjectionUnfitError([
      source.fault('It has to export its view: `export default { projection, addToSchema }`.', 'default'),
    ])
  return { view: { ...(exported as unknown as View), module: url }, source, built: url }
}

async function importFile(file: string, modules: string): Promise<{ url: string; exported: unknown }> {
  const url = await buildModule(file, modules)
  try {
    const { default: exported } = (await import(url)) as { readonly default?: unknown }
    return { url, exported }
  } catch (error) {
    const { problem, ...place } = faultOf(error, url, file)
    throw new ProjectionUnfitError([{ ...place, problem: `It cannot be loaded: ${problem}` }])
  }
}

/** Types and fields that are there already, or that do not go together, are told of before a gateway would build them. */
function checkSchema(views: readonly AuthoredView[]): void {
  const there: View[] = [...BUILT_IN_VIEWS]
  for (const { view, source, built } of views) {
    if (view.addToSchema === undefined) continue
    there.push(view)
    try {
      buildSchema(there)
    } catch (error) {
      const stack = error instanceof Error ? (error.stack ?? '') : ''
      const place = placeIn(stack, built)
      const { problem } = faultOf(error, built, source.file)
      const line = place?.line ?? source.lineOf('addToSchema')
      throw new ProjectionUnfitError([
        { file: place?.file ?? source.file, line, problem: `What it adds to the schema does not fit: ${problem}` },
      ])
    }
  }
} // prettier-ignore

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Where the repository and its built program are, whether this file runs from source or from `dist/`. */
import path from 'node:path'
import type * as Build from '../../bin/build.js'
import { fileURLToPath, pathToFileURL } from 'node:url'

const above = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))))
const isBuilt = path.basename(above) === 'dist'

export const ROOT = isBuilt ? path.dirname(above) : above
export const BUILT_TREE = isBuilt ? above : path.join(above, 'dist')

/** One source, as the build would turn it out. */
export async function transpile(text: string): Promise<string> {
  const build = (await import(pathToFileURL(path.join(ROOT, 'bin', 'build.js')).href)) as typeof Build
  return build.transpile(text)
}

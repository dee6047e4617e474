/** Where a worker thread's program is: threads and child processes run from `dist/`, whoever starts them. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/**
 * The built file of a source, whether the caller runs from source or from `dist/`.
 * @param source `new URL('./some-thread.ts', import.meta.url)`; the build turns `.ts` into `.js`
 */
export function runtimeEntry(source: URL): string {
  const file = fileURLToPath(source)
  if (!file.endsWith('.ts')) return file
  return path.join(root, 'dist', path.relative(root, file).replace(/\.ts$/, '.js'))
}

/** Which sources load which: what the rules of the repository ask. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../bin/build.js'

/** What the package exports, by the name that others import. */
const { paths } = (
  JSON.parse(readFileSync(path.join(root, 'tsconfig.json'), 'utf8')) as {
    compilerOptions: { paths: Readonly<Record<string, readonly string[]>> }
  }
).compilerOptions

/** Files of ours that a source imports, relative to the root. */
export function importsOf(name: string, text: string): string[] {
  const near = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)]
  const packaged = [...text.matchAll(/(?:from|import)\s*\(?\s*'(purser\/[^']+)'/g)]
  return [
    ...near.map((match) => path.join(path.dirname(name), match[1]!)),
    ...packaged.flatMap((match) => paths[match[1]!]?.[0] ?? []).map((file) => path.normalize(file)),
  ]
}

/** A source and all of ours that it loads, sorted: what is imported for its types alone is not loaded. */
export function loadedBy(first: string): string[] {
  const loaded = new Set<string>()
  const waiting = [first]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    // What a test writes down as the text of another file imports nothing itself.
    if (loaded.has(name) || !existsSync(path.join(root, name))) continue
    loaded.add(name)
    const text = readFileSync(path.join(root, name), 'utf8')
    waiting.push(...importsOf(name, text.replace(/^(import|export) type [^']*'[^']*'$/gm, '')))
  }
  return [...loaded].sort()
}

/**
 * A file of an author's: where something stands in it, for sentences that name his line. A built module is followed back by
 * the source map that lies beside it.
 */
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../schemas/errors.ts'

/** What is wrong, and where. Lines count from 1; 0: nowhere in particular. */
export interface AuthorFault {
  readonly file: string
  readonly line: number
  /** What is wrong and what to do: a sentence or two. */
  readonly problem: string
}

export class AuthorFile {
  readonly file: string
  readonly #text: string

  /** @param text empty: no line is ever found in it */
  constructor(file: string, text = readText(file)) {
    this.file = file
    this.#text = text
  }

  /** The file that a built module was made of; what bears only a name if there is no such module. */
  static ofModule(module: string | undefined, otherwise: string): AuthorFile {
    if (module === undefined) return new AuthorFile(otherwise, '')
    const file = fileURLToPath(module)
    const { sources } = JSON.parse(readText(`${file}.map`) || '{"sources":[]}') as { sources: string[] }
    const source = sources.at(-1)
    return new AuthorFile(source === undefined ? file : path.resolve(path.dirname(file), source))
  }

  /**
   * The line on which the last of these words stands, each looked for behind the one before: a table, then its column. A
   * word that is not found is passed over.
   */
  lineOf(...words: readonly string[]): number {
    const byte = this.#find(words)
    return byte === undefined ? 0 : this.#lineAt(byte)
  }

  /**
   * The line of a place within a text that the file holds, such as a SELECT over several lines.
   * @param within the text, as it was exported
   * @param at the place in it
   */
  lineWithin(within: string, at: number, ...words: readonly string[]): number {
    const start = this.#text.indexOf(within)
    return start === -1 ? this.lineOf(...words) : this.#lineAt(start + at)
  }

  fault(problem: string, ...words: readonly string[]): AuthorFault {
    return { file: this.file, line: this.lineOf(...words), problem }
  }

  #find(words: readonly string[]): number | undefined {
    let found: number | undefined
    for (const word of words) {
      const name = word.replaceAll(/[^\w]/g, (sign) => `\\${sign}`)
      const pattern = new RegExp(`['"\`]${name}['"\`]|(?<![\\w$.])${name}(?=\\s*[:(<,])`, 'g')
      pattern.lastIndex = found ?? 0
      found = pattern.exec(this.#text)?.index ?? found
    }
    return found
  }

  #lineAt(place: number): number {
    return this.#text.slice(0, place).split('\n').length
  }
}

/** The fault that an error thrown in a built module stands for: the first line of its stack that is the author's. */
export function faultOf(error: unknown, module: string, otherwise: string): AuthorFault {
  const place = error instanceof Error ? placeIn(error.stack ?? '', module) : undefined
  return { file: place?.file ?? otherwise, line: place?.line ?? 0, problem: messageOf(error) }
}

/** Where the first frame of a stack comes from that is in a built module, or in a file that it was made of. */
export function placeIn(stack: string, module: string): { file: string; line: number } | undefined {
  if (module === '') return undefined
  const built = fileURLToPath(module)
  const text = readText(`${built}.map`)
  if (text === '') return undefined
  const map = new SourceMap(JSON.parse(text) as never)
  const files = map.payload.sources.map((source) => path.resolve(path.dirname(built), source))
  for (const frame of stack.split('\n')) {
    const [, where = '', line, column] = /([^\s(]+):(\d+):(\d+)\)?$/.exec(frame) ?? []
    const file = where.replace(/^file:\/\//, '')
    // A process may map stacks by itself (`--enable-source-maps`).
    if (files.includes(file)) return { file, line: Number(line) }
    if (file !== built) continue
    const entry = map.findEntry(Number(line) - 1, Number(column) - 1)
    if ('originalSource' in entry)
      return { file: path.resolve(path.dirname(built), entry.originalSource), line: entry.originalLine + 1 }
  }
  return undefined
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

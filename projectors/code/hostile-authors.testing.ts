/** For tests: files of authors who make mistakes, or mean harm. Each minds its own business until the event of sequence 5. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/** Files in a folder of their own. */
export interface AuthorFiles {
  /** @returns the file's URL */
  write(name: string, text: string): Promise<string>
  remove(): Promise<void>
}

export async function authorFiles(): Promise<AuthorFiles> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'authors-'))
  return {
    write: async (name, text) => {
      const file = path.join(folder, name)
      await writeFile(file, text)
      return pathToFileURL(file).href
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** A projection without states whose `project` does something for the event of sequence 5. It stands in line 5 of its file. */
export function doingAtFive(what: string, before = ''): string {
  return `${before}
const projection = {
  kind: 'code', name: 'odd', version: 1, tables: { odd: { columns: { at: 'UInt64' }, key: [] } },
  project(event) {
    if (event.sequence === 5n) { ${what} }
    return { odd: [{ at: event.sequence }] }
  },
}
export default { projection }
`
}

/** What is declared of it. */
export const ODD = {
  kind: 'code',
  name: 'odd',
  version: 1,
  tables: { odd: { columns: { at: 'UInt64' }, key: [] } },
  isStateful: false,
} as const

/** The projection `turnover` of samples.testing.ts, as a file. */
export const TURNOVER_FILE = `
export default {
  kind: 'code', name: 'turnover', version: 1,
  tables: { turnover: { columns: { account: 'UInt32', times: 'UInt32', total: 'Int64', last: 'String' }, key: ['account'] } },
  keysOf: ({ debit, credit }) => [...new Set([debit.number, credit.number])].map((number) => 'account ' + number),
  initial: () => ({ times: 0, total: 0n, last: [] }),
  fold: ({ times, total, last }, event) => ({ times: times + 1, total: total + event.amount, last: [...last, event.sequence].slice(-3) }),
  project: (_event, states) => ({
    turnover: [...states].map(([key, { times, total, last }]) => ({ account: Number(key.slice(8)), times, total, last: last.join(' ') })),
  }),
}
`

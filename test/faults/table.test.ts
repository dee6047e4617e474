/** The table of faults names tests that exist, by file and title. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8')
/** One test named: its file, and maybe words of its title. */
const NAMED = /`([\w/.-]+\.test\.ts)`(?: “([^”]+)”)?/g

test('every fault has a test, and each test named is there', () => {
  const rows = read('docs/faults.md')
    .split('\n')
    .filter((line) => /^\| (?:[A-Z]\d+)? ?\| (?!fault)/.test(line))
  expect(rows.length).toBeGreaterThan(20)
  for (const row of rows) {
    const named = [...row.matchAll(NAMED)]
    expect(named.length, row).toBeGreaterThan(0)
    for (const [, file, title] of named) if (title !== undefined) expect(read(file!)).toContain(title)
    for (const [, file] of named) expect(read(file!).length).toBeGreaterThan(0)
  }
  const ids = rows.map((row) => /^\| (\w*)/.exec(row)![1]!)
  for (let number = 1; number <= 12; number++) expect(ids).toContain(`J${number}`)
})

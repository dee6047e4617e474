import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ERROR_CODES, httpStatusOf, isRetryable } from './errors.ts'

test('docs/http.md lists every code with its status and whether to ask again', () => {
  const docs = readFileSync(new URL('../docs/http.md', import.meta.url), 'utf8')
  const rows = [...docs.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \| .+ \|$/gm)].map((match) => match.slice(1)) // prettier-ignore
  expect(rows).toEqual(
    ERROR_CODES.map((code) => [code, String(httpStatusOf(code)), isRetryable(code) ? 'yes' : 'no']),
  )
})

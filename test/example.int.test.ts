/** The bank example and the demo, run as a user runs them. */
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { bankLines, writeLines } from './support/bank-file.ts'
import { example, onlyJson, purser, withFolder } from './support/purser.ts'

const EXAMPLE = 'examples/czech-bank/main.ts'

/** Runs the example on lines. */
function runOn(name: string, lines: readonly string[]): ReturnType<typeof example> {
  return withFolder((folder) => {
    const file = path.join(folder, name)
    writeLines(file, lines)
    return example(EXAMPLE, file, '--json')
  })
}

describe('the bank example', () => {
  test('every balance comes out as the file says, and the report has these fields and no others', async () => {
    const { exitCode, stdout, stderr } = await runOn('bank.csv.gz', bankLines(1_500))
    expect(exitCode, stderr).toBe(0)
    const report = onlyJson(stdout)
    const seconds = report['seconds'] as number
    expect(report).toEqual({
      transactions: 1_500, accounts: 37, mismatches: 0, refused: {}, trialBalance: { CZK: '0' }, replayEqual: true, seconds,
    }) // prettier-ignore
    expect(seconds).toBeGreaterThan(0)
  })

  test('a balance that differs from the bank’s is found, and no other', async () => {
    const lines = bankLines(200)
    const values = lines[120]!.split(',')
    values[6] = String(BigInt(values[6]!) + 1n)
    lines[120] = values.join(',')
    const { exitCode, stdout, stderr } = await runOn('bank.csv', lines)
    expect(exitCode).toBe(1)
    // Where it is the account's last one, the balance differs as well.
    const isLast = !lines.slice(121).some((line) => line.split(',')[2] === values[2])
    expect(onlyJson(stdout)).toMatchObject({ mismatches: isLast ? 2 : 1, replayEqual: true })
    expect(stderr).toContain('line 121')
  })

  test('bad rows are named by their line, and nothing is loaded', async () => {
    const lines = bankLines(20)
    lines[3] = lines[3]!.replace(/,(credit|debit),/, ',sideways,')
    lines[5] = lines[5]!.split(',').slice(0, 4).join(',')
    lines[8] = lines[7]!
    const { exitCode, stdout } = await runOn('bank.csv', lines)
    expect(exitCode).toBe(1)
    expect(onlyJson(stdout)).toMatchObject({
      ok: false,
      error: { code: 'bad_line' },
      badLines: [{ line: 4 }, { line: 6 }, { line: 9 }],
    })
  })

  test('a file of another format is refused at its header', async () => {
    const { exitCode, stdout } = await runOn('other.csv', ['a,b,c', '1,2,3'])
    expect(exitCode).toBe(1)
    expect(onlyJson(stdout)).toMatchObject({ error: { code: 'bad_line' } })
  })
})

test('the demo holds at every step, and with --json says so in one object', async () => {
  const { exitCode, stdout } = await purser('demo', '--json')
  expect(exitCode).toBe(0)
  const { ok, steps, proof } = onlyJson(stdout) as { ok: boolean; steps: { holds: boolean }[]; proof: { checks: { name: string; holds: boolean }[] } } // prettier-ignore
  expect(ok).toBe(true)
  expect(steps.length).toBeGreaterThanOrEqual(12)
  expect([...steps, ...proof.checks].filter(({ holds }) => !holds)).toEqual([])
  expect(proof.checks.map(({ name }) => name)).toEqual(['log', 'trialBalance', 'state', 'views'])
})

/** README's tour, pasted into a shell as it stands. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startServer, withFolder } from './support/purser.ts'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

test('the five-minute tour works when pasted', () =>
  withFolder(async (folder) => {
    const tour = /```bash\n(.*?)```/s.exec(readFileSync(path.join(root, 'README.md'), 'utf8'))![1]!
    expect(tour).toContain('http://127.0.0.1:4000')
    const server = await startServer(folder)
    const pasted = `curl() { node test/support/curl.js "$@"; }\n${tour.replace('http://127.0.0.1:4000', server.url)}`
    const { output, exitCode } = await bash(pasted, { PURSER_DATA: folder })
    await server.stop()

    const answers = output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { data: Data; errors?: unknown })
    expect(answers.filter(({ errors }) => errors !== undefined)).toEqual([])
    const [bank, alice, bob, deposit, lunch, again, refused, read, trial] = answers.map(({ data }) => data)
    expect([bank, alice, bob].map((data) => data!.openAccount!.account.owner)).toEqual(['bank', 'alice', 'bob'])
    expect([deposit, lunch, again].map((data) => data!.transfer!.replayed)).toEqual([false, false, true])
    expect(refused!.transfer).toMatchObject({ code: 'insufficient_funds', debitBalance: { available: { major: '87.50' } } })
    expect(read).toMatchObject({ balance: { balance: { major: '87.50' } }, history: { nodes: [{ kind: 'AccountOpened' }, { memo: 'deposit' }, { memo: 'lunch' }] } })
    expect(trial).toEqual({ trialBalance: [{ currency: 'EUR', sum: { minor: '0' } }] })
    expect(output).toContain('Everything holds')
    expect(exitCode).toBe(0)
  })) // prettier-ignore

interface Data {
  readonly openAccount?: { readonly account: { readonly owner: string } }
  readonly transfer?: { readonly replayed?: boolean; readonly code?: string }
}

function bash(script: string, environment: Readonly<Record<string, string>>): Promise<{ output: string; exitCode: number | null }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', script], { cwd: root, env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.once('close', (exitCode) => resolve({ output, exitCode }))
  })
} // prettier-ignore

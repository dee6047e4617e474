/** The image that the Dockerfile makes, as far as it can be known without Docker: what is copied is enough, and safe. */
import { spawn } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ensureBuilt } from '../bin/build.js'
import { PROGRAM_FOLDERS } from '../bin/folders.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const dockerfile = readFileSync(path.join(root, 'Dockerfile'), 'utf8')
const instructions = dockerfile
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => /^[A-Z]+ /.test(line))

/** The instructions of one stage. */
function stage(name: string): readonly string[] {
  const from = instructions.findIndex((line) => line.startsWith('FROM ') && line.endsWith(` AS ${name}`))
  const rest = instructions.slice(from + 1)
  const to = rest.findIndex((line) => line.startsWith('FROM '))
  return to < 0 ? rest : rest.slice(0, to)
}

/** What is copied from the context of the build. */
const copied = instructions
  .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
  .flatMap((line) => line.split(' ').slice(1, -1))

describe('the image', () => {
  test('stands on images of one exact version', () => {
    const stages = instructions.flatMap((line) => / AS (\S+)$/.exec(line)?.[1] ?? [])
    const bases = instructions.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []).filter((base) => !stages.includes(base)) // prettier-ignore
    expect(bases.length).toBeGreaterThan(0)
    for (const base of bases) expect(base).toMatch(/^[a-z/]+:\d+\.\d+\.\d+/)
  })

  test('runs as nobody of importance, asks for its own health, and holds neither sources nor tools', () => {
    const program = stage('program')
    expect(program).toContain('USER node')
    expect(program.findIndex((line) => line.startsWith('RUN '))).toBeLessThan(program.indexOf('USER node'))
    for (const name of ['embedded', 'roles']) expect(stage(name).some((line) => /^(USER|RUN) /.test(line))).toBe(false)
    expect(program.some((line) => /^HEALTHCHECK .*bin\/health\.js/.test(line))).toBe(true)
    expect(stage('packages')).toContain('RUN npm ci --omit=dev')
    // The last stage is what is built where no target is named.
    expect(instructions.filter((line) => line.startsWith('FROM ')).at(-1)).toBe('FROM program AS roles')
  }) // prettier-ignore

  test('gets what it copies, and every folder that the program imports', () => {
    const let_in = readFileSync(path.join(root, '.dockerignore'), 'utf8').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1)) // prettier-ignore
    for (const source of copied) {
      expect(existsSync(path.join(root, source)), source).toBe(true)
      expect(let_in).toContain(source)
    }
    for (const folder of PROGRAM_FOLDERS) expect(copied).toContain(folder)
  })

  test('what is copied runs, from a folder that it may not write, without sources and compiler', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'purser-image-'))
    try {
      await cp(path.join(root, 'bin'), path.join(folder, 'bin'), { recursive: true })
      await cp(path.join(root, 'package.json'), path.join(folder, 'package.json'))
      // Only the program's own folders are built there.
      const dist = await ensureBuilt()
      await mkdir(path.join(folder, 'dist'))
      for (const name of readdirSync(dist).filter((name) => copied.includes(name)))
        await cp(path.join(dist, name), path.join(folder, 'dist', name), { recursive: true })
      await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
      await chmod(folder, 0o555)
      const { exitCode, stdout, stderr } = await run(folder, 'bin/purser.js', 'id', 'new')
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
      expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/)
      expect((await run(folder, 'bin/health.js')).exitCode).toBe(1)
    } finally {
      await chmod(folder, 0o755)
      await rm(folder, { recursive: true, force: true })
    }
  })
})

function run(cwd: string, ...args: readonly string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const environment = { ...process.env, PURSER_HEALTH_PORT: '1', PURSER_PORT: '1' }
    const child = spawn(process.execPath, args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
} // prettier-ignore

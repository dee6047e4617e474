import { fork, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { root } from '../../bin/build.js'
import { needProc } from '../../test/support/left-out.ts'
import { LogFolderInUseError } from '../errors.ts'
import { acquireFolder, readFolderOwner } from './lock.ts'

const folders: string[] = []
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})
function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'purser-lock-'))
  folders.push(made)
  return made
}

const LOCK = path.join(root, 'dist', 'eventlog', 'file', 'lock.js')
/** A process that takes the folder when told, says what came of it, and stays. */
const TAKER = `
  import { acquireFolder } from ${JSON.stringify(LOCK)}
  process.on('message', (dir) => {
    try { acquireFolder(dir, { url: 'http://127.0.0.1:4000' }); process.send('won') }
    catch (error) { process.send(error.code ?? String(error)) }
  })
  process.send('up')`

function answer(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => child.once('message', (message) => { resolve(message as string) })) // prettier-ignore
}

async function taker(): Promise<ChildProcess> {
  const script = path.join(folder(), 'taker.mjs')
  writeFileSync(script, TAKER)
  const child = fork(script, { stdio: 'ignore', execArgv: [] })
  children.push(child)
  expect(await answer(child)).toBe('up')
  return child
}

async function take(child: ChildProcess, dir: string): Promise<string> {
  const got = answer(child)
  child.send(dir)
  return got
}

it('a second process is refused with a sentence that names the first one and what it serves', async () => {
  const dir = folder()
  const child = await taker()
  expect(await take(child, dir)).toBe('won')
  expect(readFolderOwner(dir)).toEqual({ pid: child.pid, url: 'http://127.0.0.1:4000' })
  expect(() => acquireFolder(dir)).toThrow(LogFolderInUseError)
  expect(() => acquireFolder(dir)).toThrow(
    `The data folder ${dir} is in use by process ${child.pid}, which serves http://127.0.0.1:4000. ` +
      'One process works on a folder at a time: stop that one first, or give another folder.',
  )
})

it('the folder of a killed process is free again', async () => {
  const dir = folder()
  const child = await taker()
  expect(await take(child, dir)).toBe('won')
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  expect(readFolderOwner(dir)).toBeUndefined()
  acquireFolder(dir).release()
})

it('of many that start together on a dead process’s folder, exactly one wins', async () => {
  const takers = await Promise.all(Array.from({ length: 6 }, taker))
  for (let round = 0; round < 20; round++) {
    const dir = folder()
    mkdirSync(path.join(dir, 'lock'))
    if (round % 2 === 0) leaveEntry(dir, 7, { pid: 2 ** 22 + 1, startedAt: '' })
    const answers = await Promise.all(takers.map((child) => take(child, dir)))
    expect([...answers].sort()).toEqual([...Array<string>(5).fill('log_folder_in_use'), 'won'])
    expect(readdirSync(path.join(dir, 'lock')).filter((name) => !name.startsWith('.'))).toHaveLength(1)
  }
})

function leaveEntry(dir: string, number: number, entry: object): void {
  writeFileSync(path.join(dir, 'lock', String(number)), JSON.stringify(entry))
}

it('a later process with the pid of a dead owner is not taken for it', (context) => {
  needProc(context)
  const dir = folder()
  acquireFolder(dir).release()
  // This very pid, but started at another time.
  leaveEntry(dir, 9, { pid: process.pid, startedAt: 'another boot/1' })
  expect(readFolderOwner(dir)).toBeUndefined()
  acquireFolder(dir).release()
})

it('a released folder can be taken again, and an owner tells what it likes', () => {
  const dir = folder()
  const lock = acquireFolder(dir)
  expect(readFolderOwner(dir)).toEqual({ pid: process.pid })
  lock.update({ url: 'http://localhost:1' })
  expect(readFolderOwner(dir)).toEqual({ pid: process.pid, url: 'http://localhost:1' })
  expect(() => acquireFolder(dir)).toThrow(LogFolderInUseError)
  lock.release()
  lock.release()
  expect(readFolderOwner(dir)).toBeUndefined()
  acquireFolder(dir).release()
})

it('an entry that nobody can read is nobody’s', () => {
  const dir = folder()
  mkdirSync(path.join(dir, 'lock'))
  for (const text of ['', '{', '[]', '{"pid":"1"}', 'null']) {
    writeFileSync(path.join(dir, 'lock', '3'), text)
    expect(readFolderOwner(dir)).toBeUndefined()
  }
  acquireFolder(dir).release()
})

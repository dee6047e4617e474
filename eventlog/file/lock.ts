/**
 * One process per data folder. `<dir>/lock/` holds numbered entries, each made by linking a finished file into place,
 * which succeeds for one process only. The highest number rules: it is never deleted, only succeeded by the next one once
 * its process is dead or has let go. Whoever makes a number and then finds a higher one has lost. So two that start
 * together, and two that both find a dead owner, never both win.
 *
 * A process is told from a later one with the same pid by its start time (Linux). The folder belongs to one machine: over a
 * network file system, or between containers that do not share their process ids, this lock does not protect.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import path from 'node:path'
import { LogFolderInUseError } from '../errors.ts'
import { hasCode } from '../system-error.ts'
import { makeFolders } from '../disk/make-folders.ts'

/** What an owner tells others. */
export interface FolderInfo {
  /** Where its server answers, once it does. */
  readonly url?: string
}

export interface FolderOwner extends FolderInfo {
  readonly pid: number
}

export interface FolderLock {
  /** Replaces what is told to others. */
  update(info: FolderInfo): void
  /** Lets go. Does nothing if done before. */
  release(): void
}

interface Entry {
  readonly pid: number
  /** Machine start and process start, or empty where the system does not say. */
  readonly startedAt: string
  readonly isReleased: boolean
  readonly url: string | undefined
}

/** Attempts before giving up on a folder whose lock changes hands all the time. */
const ATTEMPTS_MAX = 100

/** Takes a data folder, making it if it is not there. Throws LogFolderInUseError if a living process has it. */
export function acquireFolder(dir: string, info: FolderInfo = {}): FolderLock {
  const folder = path.join(dir, 'lock')
  makeFolders(folder)
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const number = tryAcquire(dir, folder, info)
    if (number !== undefined) return heldLock(folder, number, info)
  }
  throw new Error(`the lock of ${dir} changes hands all the time`)
}

/** Who has a data folder, if a living process does. */
export function readFolderOwner(dir: string): FolderOwner | undefined {
  const folder = path.join(dir, 'lock')
  const entry = readEntry(folder, highest(folder))
  if (entry === undefined || !isOwner(entry)) return undefined
  return entry.url === undefined ? { pid: entry.pid } : { pid: entry.pid, url: entry.url }
}

/** One attempt: the number won, or undefined if another process was quicker. */
function tryAcquire(dir: string, folder: string, info: FolderInfo): number | undefined {
  const last = highest(folder)
  const entry = readEntry(folder, last)
  if (entry !== undefined && isOwner(entry)) throw new LogFolderInUseError(dir, entry.pid, entry.url)
  const number = last + 1
  const mine = writeAside(folder, entryOf(info, false))
  try {
    fs.linkSync(mine, path.join(folder, String(number)))
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return undefined
    throw error
  } finally {
    fs.rmSync(mine, { force: true })
  }
  const isBeaten = highest(folder) !== number
  if (isBeaten) fs.rmSync(path.join(folder, String(number)), { force: true })
  else
    for (const name of fs.readdirSync(folder))
      if (numberOf(name) > 0 && numberOf(name) < number) fs.rmSync(path.join(folder, name), { force: true })
  return isBeaten ? undefined : number
}

function heldLock(folder: string, number: number, info: FolderInfo): FolderLock {
  let isReleased = false
  const put = (told: FolderInfo): void => {
    fs.renameSync(writeAside(folder, entryOf(told, isReleased)), path.join(folder, String(number)))
  }
  let told = info
  return {
    update(next) {
      if (isReleased) throw new Error('the folder has been released')
      told = next
      put(told)
    },
    release() {
      if (isReleased) return
      isReleased = true
      // The data folder may be gone by now: a temporary one, removed by its owner.
      if (fs.existsSync(folder)) put(told)
    },
  }
}

function entryOf(info: FolderInfo, isReleased: boolean): Entry {
  return { pid: process.pid, startedAt: startOf(process.pid) ?? '', isReleased, url: info.url }
}

/** An entry's number; −1 for names that are none. */
function numberOf(name: string): number {
  return /^[1-9][0-9]{0,14}$/.test(name) ? Number(name) : -1
}

function highest(folder: string): number {
  try {
    return fs.readdirSync(folder).reduce((most, name) => Math.max(most, numberOf(name)), 0)
  } catch {
    return 0
  }
}

/** A file with the entry, whole, under a name that nobody looks at. */
function writeAside(folder: string, entry: Entry): string {
  const file = path.join(folder, `.${process.pid}.${randomBytes(6).toString('hex')}`)
  fs.writeFileSync(file, `${JSON.stringify(entry)}\n`, { mode: 0o600, flush: true })
  return file
}

/** Undefined if there is no such entry, or none that a process of ours wrote. */
function readEntry(folder: string, number: number): Entry | undefined {
  try {
    const told = JSON.parse(fs.readFileSync(path.join(folder, String(number)), 'utf8')) as Partial<Entry>
    if (!Number.isInteger(told.pid)) return undefined
    return {
      pid: told.pid!,
      startedAt: String(told.startedAt ?? ''),
      isReleased: told.isReleased === true,
      url: typeof told.url === 'string' ? told.url : undefined,
    }
  } catch {
    return undefined
  }
}

function isOwner(entry: Entry): boolean {
  if (entry.isReleased || !isAlive(entry.pid)) return false
  const startedAt = startOf(entry.pid)
  return startedAt === undefined || entry.startedAt === '' || startedAt === entry.startedAt
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Another user's process lives, too.
    return hasCode(error, 'EPERM')
  }
}

/** What tells a process from a later one with its pid; undefined where the system does not say. */
function startOf(pid: number): string | undefined {
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may contain anything; start time is field 22, the 20th behind it (proc_pid_stat(5)).
    const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return startTicks === undefined ? undefined : `${boot}/${startTicks}`
  } catch {
    return undefined
  }
}

/**
 * A new data folder with another number of partitions, made of the logs of an old one on which nothing runs.
 *
 * The new logs are made in a folder of their own within the new one, which nothing starts upon. What they were made of is
 * written beside them, and then all is renamed into place at once. So a new folder has all of its history or none; who was
 * killed begins anew, and comes to the same bytes.
 */
import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isAbsent, nodeDisk, writeAll } from '../eventlog/disk/disk.ts'
import { makeFolders } from '../eventlog/disk/make-folders.ts'
import { acquireFolder } from '../eventlog/file/lock.ts'
import { readFramesSync } from '../eventlog/file/read/reader.ts'
import type { LogHead } from '../eventlog/ports.ts'
import { RepartitionRefusedError } from '../writer/repartition/refused.ts'
import { repartition, type Progress, type Repartitioned } from '../writer/repartition/repartition.ts'
import { PlatformError } from './errors.ts'
import { knownPartitionCount, REPARTITION_FOLDER, settlePartitionCount } from './partition-count.ts'

export interface RepartitionFoldersOptions {
  readonly from: string
  readonly to: string
  readonly partitions: number
  /** Told now and then how far it is. */
  readonly progress?: (progress: Progress) => void
}

/** Where a log ends. */
export interface LogEnd {
  readonly partition: number
  readonly sequence: string
  /** Of its last frame. */
  readonly hash: string
}

/** What a new folder was made of, and what it was then. Stands in `log/repartitioned`. */
export interface RepartitionReport {
  readonly format: 1
  readonly from: readonly LogEnd[]
  readonly to: readonly LogEnd[]
  readonly events: number
  readonly split: number
  readonly leftOut: number
  readonly accounts: number
  readonly holdsOpen: number
}

const LOG_FOLDER = 'log'
const REPORT_FILE = 'repartitioned'
const OWN_FOLDERS: readonly string[] = ['lock', REPARTITION_FOLDER]

/**
 * Makes the new folder. One that this very repartition has made already is left as it is, and reported again.
 * @throws PlatformError `repartition_refused` with `refusal` and maybe `count` in its details; `folder_in_use`; `usage`
 */
export async function repartitionFolder(options: RepartitionFoldersOptions): Promise<RepartitionReport> {
  const from = path.resolve(options.from)
  const to = path.resolve(options.to)
  const { partitions: toPartitions } = options
  if (isWithin(from, to) || isWithin(to, from))
    throw new PlatformError('usage', `${to} and ${from} are one folder, or one within the other. Give a folder of its own.`)
  const partitions = knownPartitionCount(from)
  const held = [acquireFolder(from)]
  try {
    makeFolders(to)
    held.push(acquireFolder(to))
    const made = readReport(to)
    const staging = path.join(to, REPARTITION_FOLDER)
    if (made?.to.length === toPartitions && isMadeOf(made, from, partitions)) return made
    refuseOther(to)
    // What a process that was killed has left: it is made anew, and comes out the same.
    rmSync(staging, { recursive: true, force: true })
    makeFolders(staging)
    settlePartitionCount(staging, toPartitions)
    const report = reportOf(await run(from, partitions, staging, options))
    writeReport(path.join(staging, LOG_FOLDER), report)
    nodeDisk.rename(path.join(staging, LOG_FOLDER), path.join(to, LOG_FOLDER))
    nodeDisk.syncFolder(to)
    rmSync(staging, { recursive: true, force: true })
    return report
  } catch (error) {
    if (!(error instanceof RepartitionRefusedError)) throw error
    const { refusal, count } = error
    throw new PlatformError('repartition_refused', error.message, count === undefined ? { refusal } : { refusal, count }, { cause: error })
  } finally {
    for (const lock of held.reverse()) lock.release()
  }
} // prettier-ignore

async function run(
  from: string,
  partitions: number,
  staging: string,
  { partitions: toPartitions, progress }: RepartitionFoldersOptions,
): Promise<Repartitioned> {
  const running = repartition({ from, partitions, to: staging, toPartitions })
  for (;;) {
    const step = running.next()
    if (step.done === true) return step.value
    progress?.(step.value)
    await setImmediate()
  }
}

/** A folder that holds anything of another deployment is left alone. */
function refuseOther(to: string): void {
  const other = nodeDisk.list(to).find((name) => !OWN_FOLDERS.includes(name))
  if (other === undefined) return
  throw new RepartitionRefusedError(
    'folder_not_empty',
    `${to} holds something else already: ${other}. Give a folder that is empty or not there. Nothing was changed.`,
  )
}

/** True if the old folder's logs end where they did when the report was made. */
function isMadeOf(report: RepartitionReport, from: string, partitions: number): boolean {
  if (report.from.length !== partitions) return false
  return report.from.every(({ partition, sequence, hash }) => {
    // Of its last segment only: what stands before a segment is told by its header.
    const reading = readFramesSync(nodeDisk, from, partition, BigInt(sequence))
    for (;;) {
      const step = reading.next()
      if (step.done === true) return hex(step.value.hash) === hash
    }
  })
}

function reportOf({
  from,
  to,
  events,
  split,
  leftOut,
  accounts,
  holdsOpen,
}: Repartitioned): RepartitionReport {
  return { format: 1, from: from.map(endOf), to: to.map(endOf), events, split, leftOut, accounts, holdsOpen }
}

function endOf({ partition, sequence, hash }: LogHead): LogEnd {
  return { partition, sequence: String(sequence), hash: hex(hash) }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Writes the report durably into a folder in which everything else is durable. */
function writeReport(folder: string, report: RepartitionReport): void {
  const text = JSON.stringify(report)
  const file = nodeDisk.open(path.join(folder, REPORT_FILE), 'create')
  try {
    writeAll(file, [Buffer.from(`${JSON.stringify({ ...report, sha256: digestOf(text) })}\n`)], 0)
    file.sync()
  } finally {
    file.close()
  }
  nodeDisk.syncFolder(folder)
}

/** The report in a folder that a repartition has made; undefined: it is no such folder, or what stands there is not whole. */
function readReport(dir: string): RepartitionReport | undefined {
  let text: string
  try {
    text = readFileSync(path.join(dir, LOG_FOLDER, REPORT_FILE), 'utf8')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  try {
    const { sha256, ...report } = JSON.parse(text) as RepartitionReport & { readonly sha256: string }
    return digestOf(JSON.stringify(report)) === sha256 ? report : undefined
  } catch {
    return undefined
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** True if `inner` is `outer` or lies in it. */
function isWithin(inner: string, outer: string): boolean {
  const way = path.relative(outer, inner)
  return way === '' || (!way.startsWith('..') && !path.isAbsolute(way))
}

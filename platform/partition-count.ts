/**
 * How many partitions a data folder has: fixed when it is created, because an account's partition is a hash of its id
 * modulo this number. Kept in `log/partitions`, beside the logs whose meaning depends on it, so that a backup of `log/`
 * has it: one line of JSON, with a hash over what it says. A folder from before there was such a file has one partition.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { isAbsent, nodeDisk, readUpTo, writeAll } from '../eventlog/disk/disk.ts'
import { PlatformError } from './errors.ts'

/** Partitions of one process: each has a core and a log in threads of their own. */
const EMBEDDED_PARTITIONS_MAX = 32

const FORMAT = 1
const FILE_BYTES_MAX = 256
const LOG_FOLDER = 'log'
const FILE = 'partitions'
/** Where `purser repartition` makes new logs, until they are whole. */
export const REPARTITION_FOLDER = 'repartition'
const PARTITION_FOLDER = /^(0|[1-9]\d{0,3})$/

/**
 * Partitions of a folder that exists; undefined: it has no log yet.
 * @throws PlatformError `folder_unusable` if what is written down is damaged, or is gone and the logs contradict one partition
 */
export function readPartitionCount(dataDir: string): number | undefined {
  const folder = path.join(dataDir, LOG_FOLDER)
  const logs = nodeDisk.list(folder).filter((name) => PARTITION_FOLDER.test(name))
  if (nodeDisk.list(path.join(dataDir, REPARTITION_FOLDER)).length > 0)
    throw new PlatformError(
      'folder_unusable',
      `In ${dataDir} \`purser repartition\` has begun new logs and not ended. Run the same command again: it makes them whole.`,
    )
  const text = readText(path.join(folder, FILE))
  const highest = Math.max(-1, ...logs.map(Number))
  if (text === undefined) {
    if (highest > 0) throw damaged(dataDir, `is gone, and there is a log of partition ${highest}`)
    return highest < 0 ? undefined : 1
  }
  const count = decode(text)
  if (count === undefined) throw damaged(dataDir, 'is not what was written')
  if (highest >= count) throw damaged(dataDir, `says ${count}, and there is a log of partition ${highest}`)
  return count
}

/**
 * As `readPartitionCount`, for commands that work on a folder as it stands.
 * @throws PlatformError also `file_unreadable` if there is no log
 */
export function knownPartitionCount(dataDir: string): number {
  const count = readPartitionCount(dataDir)
  if (count === undefined)
    throw new PlatformError('file_unreadable', `There is no log in ${dataDir}. Check \`dataDir\`.`)
  return count
}

/**
 * Fixes the number of a new folder, durably, and returns the one that a folder has. The caller holds the folder's lock.
 * @param asked at least 1; undefined: as the folder is, and 1 for a new one
 * @throws PlatformError `partitions_differ` if the folder has another number; `usage` if it would get too many
 */
export function settlePartitionCount(dataDir: string, asked: number | undefined): number {
  const has = readPartitionCount(dataDir)
  if (has !== undefined) {
    if (asked === undefined || asked === has) return has
    throw new PlatformError(
      'partitions_differ',
      `The data folder ${dataDir} has ${has === 1 ? 'one partition' : `${has} partitions`}, and you ask for ${asked}. ` +
        'The number is fixed when a folder is created: leave `partitions` out, or give another folder with `dataDir`. ' +
        'To make a new folder of this one, with another number: `purser repartition`.',
      { partitions: has, asked },
    )
  }
  const count = asked ?? 1
  if (count > EMBEDDED_PARTITIONS_MAX)
    throw new PlatformError(
      'usage',
      `\`partitions\`: at most ${EMBEDDED_PARTITIONS_MAX} in one process, got ${count}. Take fewer, or distribute them over several.`,
    )
  const folder = path.join(dataDir, LOG_FOLDER)
  nodeDisk.makeFolder(folder)
  // A process that ended here before left it; whole or not, no log was begun under it.
  const aside = path.join(folder, `${FILE}.new`)
  if (existsSync(aside)) nodeDisk.remove(aside)
  const file = nodeDisk.open(aside, 'create')
  try {
    writeAll(file, [Buffer.from(encode(count))], 0)
    file.sync()
  } finally {
    file.close()
  }
  nodeDisk.rename(aside, path.join(folder, FILE))
  nodeDisk.syncFolder(folder)
  nodeDisk.syncFolder(dataDir)
  return count
}

function encode(partitions: number): string {
  return `${JSON.stringify({ format: FORMAT, partitions, sha256: digestOf(partitions) })}\n`
}

function decode(text: string): number | undefined {
  const match = /^\{"format":1,"partitions":([1-9]\d{0,3}),"sha256":"[0-9a-f]{64}"\}\n$/.exec(text)
  const partitions = Number(match?.[1])
  return match !== null && encode(partitions) === text ? partitions : undefined
}

function digestOf(partitions: number): string {
  return createHash('sha256').update(`purser log/partitions ${FORMAT}: ${partitions}`).digest('hex')
}

function readText(name: string): string | undefined {
  try {
    const file = nodeDisk.open(name, 'read')
    try {
      return Buffer.from(readUpTo(file, 0, FILE_BYTES_MAX)).toString('latin1')
    } finally {
      file.close()
    }
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function damaged(dataDir: string, what: string): PlatformError {
  return new PlatformError(
    'folder_unusable',
    `How many partitions ${dataDir} has cannot be told: ${path.join(LOG_FOLDER, FILE)} ${what}. Nothing was changed. ` +
      'Restore that file from a backup.',
  )
}

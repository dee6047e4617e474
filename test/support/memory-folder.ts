/**
 * Where the files of a test run lie: in memory, where the machine has room. They live for seconds, no test pulls a plug, and
 * a disk makes whoever writes small files wait: a run that waits for none takes a third less time.
 */
import { mkdtempSync, statfsSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** A folder of the user's choice for the files of a run; an empty value means the system's own for what is temporary. */
export const FOLDER_VARIABLE = 'PURSER_TESTS_FOLDER'

/** Where Linux keeps a file system in memory. */
const MEMORY = '/dev/shm'
/** A run has less than half of it in files at a time. */
const FILES_BYTES = 4 * 1024 ** 3
/** What the processes of a run take beside. */
const PROCESSES_BYTES = 5 * 1024 ** 3

/** Makes a folder for everything that one run writes. */
export function makeRunFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const said = environment[FOLDER_VARIABLE] ?? (hasRoom() ? MEMORY : '')
  return mkdtempSync(path.join(said === '' ? os.tmpdir() : said, 'purser-tests-'))
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize >= FILES_BYTES && os.freemem() >= FILES_BYTES + PROCESSES_BYTES
  } catch {
    return false
  }
}

/**
 * Makes a folder and those above it.
 *
 * Node's own recursive mkdir climbs for ever where the system says ENOENT of a name whose parent is there, as /proc does:
 * it spins, and no signal reaches the process (seen with Node 20.20). Here a parent that exists ends the climb, and what
 * the system said is thrown.
 */
import fs from 'node:fs'
import path from 'node:path'

/** Whoever runs the platform alone may look into its folders. */
const PRIVATE = 0o700

/**
 * Makes `folder` unless it is there, with every folder above it that is missing.
 * @param mode of the folders that are made
 * @returns the topmost folder that was made; undefined if all were there
 * @throws the system's error: ENOTDIR or EEXIST where something else has the name, ENOENT where none can be made
 */
export function makeFolders(folder: string, mode = PRIVATE): string | undefined {
  const wanted = path.resolve(folder)
  try {
    fs.mkdirSync(wanted, { mode })
    return wanted
  } catch (error) {
    if (isFolder(wanted)) return undefined
    const parent = path.dirname(wanted)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || fs.existsSync(parent)) throw error
    const topmost = makeFolders(parent, mode)
    const made = makeFolders(wanted, mode)
    return topmost ?? made
  }
}

function isFolder(name: string): boolean {
  try {
    return fs.statSync(name).isDirectory()
  } catch {
    return false
  }
}

/**
 * A small disk of one's own: memory, mounted in a namespace of its own, which needs no privileges where the system lets
 * users make namespaces. Others see it under the namespace's root; programs that are to use it run inside.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import type { Surroundings } from './purser.ts'

export interface SmallDisk {
  /** The disk's folder, for programs that run inside. */
  readonly folder: string
  /** Puts a program inside. */
  readonly inside: Surroundings
  /** Runs a shell command inside, to its end; throws if it fails. */
  shell(command: string): string
  /** Unmounts it and forgets what it held. */
  remove(): Promise<void>
}

const FOLDER = '/mnt'
const ENTER = ['--user', '--mount', '--preserve-credentials']

/** Whether this system lets its users make such a disk. */
export function canMakeDisks(): boolean {
  const tried = spawnSync('unshare', ['-rm', 'sh', '-c', `mount -t tmpfs none ${FOLDER}`], {
    timeout: 10_000,
  })
  return tried.status === 0
}

/** Makes a disk of so many MiB. The caller removes it. */
export async function makeSmallDisk(mebibytes: number): Promise<SmallDisk> {
  const script = `mount -t tmpfs -o size=${mebibytes}m none ${FOLDER} && echo mounted && exec cat`
  // It lives as long as its input is open: not longer than this process, whatever becomes of it.
  const holder = spawn('unshare', ['-rm', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  await mounted(holder)
  const enter = ['nsenter', '--target', String(holder.pid), ...ENTER]
  return {
    folder: path.join(FOLDER, 'data'),
    inside: { under: enter },
    shell(command) {
      const done = spawnSync(enter[0]!, [...enter.slice(1), 'sh', '-c', command], { encoding: 'utf8', timeout: 20_000 })
      if (done.status !== 0) throw new Error(`${command}: ${done.stderr}`)
      return done.stdout
    },
    async remove() {
      const ended = new Promise((resolve) => holder.once('exit', resolve))
      holder.stdin.end()
      await ended
    },
  }
} // prettier-ignore

function mounted(holder: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    holder.stdout!.once('data', () => {
      resolve()
    })
    holder.once('error', reject)
    holder.once('exit', (code) => {
      reject(new Error(`the disk could not be made (${code})`))
    })
  })
}

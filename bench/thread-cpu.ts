/** CPU time by thread, from Linux's /proc in nanoseconds; where there is none, what Node knows of the whole process. */
import { readFileSync, readSync, openSync, readdirSync } from 'node:fs'

/** Nanoseconds of CPU time that the calling thread has used; the process's where the system does not tell. */
export type ThreadClock = () => number

export function threadClock(): ThreadClock {
  try {
    // Which thread that is, is settled when the file is opened. It stays open until the thread ends.
    const file = openSync('/proc/thread-self/schedstat', 'r')
    const bytes = Buffer.alloc(64)
    return () => {
      // The kernel brings the running thread's account up to date when the process asks for its own, not when this is read.
      process.cpuUsage()
      return Number.parseInt(bytes.toString('latin1', 0, readSync(file, bytes, 0, 64, 0)), 10)
    }
  } catch {
    return () => {
      const { user, system } = process.cpuUsage()
      return (user + system) * 1_000
    }
  }
}

/** Nanoseconds of CPU time by thread id, of all threads of this process that live; empty where the system does not tell. */
export function cpuByThread(): Map<number, number> {
  const threads = new Map<number, number>()
  try {
    for (const thread of readdirSync('/proc/self/task')) {
      const text = readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8')
      threads.set(Number(thread), Number.parseInt(text, 10))
    }
  } catch {
    // A thread ended while it was read, or this is not Linux: the rest counts as other.
  }
  return threads
}

/** Ticks a second in which Linux tells the CPU time of processes, on every processor that Node runs on. */
const TICKS_PER_SECOND = 100
const USER_TICKS_FIELD = 11

/** Seconds of CPU time that a process has used, its ended threads included; undefined where the system does not tell. */
export function processCpuSeconds(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The program's name may hold anything, a bracket too.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[USER_TICKS_FIELD]) + Number(fields[USER_TICKS_FIELD + 1])) / TICKS_PER_SECOND
  } catch {
    return undefined
  }
}

/** The calling thread's id in the operating system; undefined where the system does not tell. */
export function ownThreadId(): number | undefined {
  try {
    return Number.parseInt(readFileSync('/proc/thread-self/stat', 'utf8'), 10)
  } catch {
    return undefined
  }
}

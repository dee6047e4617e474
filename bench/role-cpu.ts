/** CPU time of this process by role: its main thread, each program that a worker runs, and all the rest. */
import { BroadcastChannel } from 'node:worker_threads'
import { cpuByThread } from './thread-cpu.ts'
import { THREAD_NAMES_CHANNEL, type ThreadName } from './thread-names.ts'

/** Seconds by role. `other`: the engine's own threads, and workers that have ended. */
export type RoleCpu = Readonly<Record<string, number>>

export class RoleClock {
  readonly #roles = new Map<number, string>([[process.pid, 'main']])

  /** To be made before the workers are started, in a process started with thread-names.ts. */
  constructor() {
    const channel = new BroadcastChannel(THREAD_NAMES_CHANNEL)
    channel.onmessage = (message: unknown) => {
      const { thread, role } = (message as { data: ThreadName }).data
      this.#roles.set(thread, role)
    }
    channel.unref()
  }

  now(): RoleCpu {
    const seconds: Record<string, number> = {}
    let known = 0
    for (const [thread, nanoseconds] of cpuByThread()) {
      const role = this.#roles.get(thread)
      if (role === undefined) continue
      seconds[role] = (seconds[role] ?? 0) + nanoseconds / 1e9
      known += nanoseconds / 1e9
    }
    const { user, system } = process.cpuUsage()
    seconds['other'] = Math.max(0, (user + system) / 1e6 - known)
    return seconds
  }
}

/** What each role used between two readings. */
export function cpuBetween(before: RoleCpu, after: RoleCpu): RoleCpu {
  return Object.fromEntries(
    Object.entries(after).map(([role, seconds]) => [role, Math.max(0, seconds - (before[role] ?? 0))]),
  )
}

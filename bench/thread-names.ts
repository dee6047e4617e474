/**
 * Loaded first in every thread of a measured process (`--import`): it says which operating-system thread runs which
 * program, so that CPU time and heaps can be told by role. Node gives threads no names of their own on version 20.
 */
import path from 'node:path'
import { BroadcastChannel, isMainThread } from 'node:worker_threads'
import { ownThreadId } from './thread-cpu.ts'
import { tellHeap } from './thread-heaps.ts'

export const THREAD_NAMES_CHANNEL = 'bench-thread-names'

export interface ThreadName {
  readonly thread: number
  /** The program's name without `-thread`: `core`, `log`, … */
  readonly role: string
}

const thread = ownThreadId()
if (!isMainThread && thread !== undefined) {
  const role = path.basename(process.argv[1] ?? 'worker').replace(/(-thread)?\.[jt]s$/, '')
  const channel = new BroadcastChannel(THREAD_NAMES_CHANNEL)
  channel.postMessage({ thread, role } satisfies ThreadName)
  channel.close()
  tellHeap(role)
}

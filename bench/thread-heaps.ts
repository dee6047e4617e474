/** What each thread of a measured process holds on its JavaScript heap once that is collected: asked over a channel. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BroadcastChannel } from 'node:worker_threads'

const CHANNEL = 'bench-thread-heaps'
/** How long answers are waited for, in ms. */
const ANSWER_MS_MAX = 10_000

/** Bytes by role. */
export type RoleHeaps = Readonly<Record<string, number>>

type Message = 'tell' | { readonly role: string; readonly bytes: number }

/** In a worker: answers for as long as it lives, and does not keep it alive. */
export function tellHeap(role: string): void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = (event: unknown) => {
    const { data } = event as { data: Message }
    if (data === 'tell') channel.postMessage({ role, bytes: collectedHeapBytes() } satisfies Message)
  }
  channel.unref()
}

/** In the main thread: its own, and those of the workers named. Throws if one of them does not answer. */
export async function askHeaps(roles: readonly string[]): Promise<RoleHeaps> {
  const heaps: Record<string, number> = { main: collectedHeapBytes() }
  const channel = new BroadcastChannel(CHANNEL)
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`of ${roles.join(', ')} only ${Object.keys(heaps).join(', ')} told its heap`))
      }, ANSWER_MS_MAX)
      channel.onmessage = (event: unknown) => {
        const { data } = event as { data: Message }
        if (data === 'tell' || !roles.includes(data.role)) return
        heaps[data.role] = data.bytes
        if (roles.some((role) => heaps[role] === undefined)) return
        clearTimeout(timer)
        resolve()
      }
      channel.postMessage('tell' satisfies Message)
    })
  } finally {
    channel.close()
  }
  return heaps
}

/** What each role holds more, per million commands. */
export function growthPerMillion(before: RoleHeaps, after: RoleHeaps, commands: number): RoleHeaps {
  return Object.fromEntries(
    Object.entries(after).map(([role, bytes]) => [
      role,
      Math.max(0, ((bytes - before[role]!) / commands) * 1e6),
    ]),
  )
}

function collectedHeapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return getHeapStatistics().used_heap_size
}

import { readdirSync, statSync } from 'node:fs'
import type { Server } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { messageOf } from '../../schemas/errors.ts'
import { makeFolders } from '../../eventlog/disk/make-folders.ts'
import type { FromEngine, ToEngine } from './protocol.ts'

/**
 * The child process in which the embedded engine lives. Its parent tells it what to do over IPC; when the
 * parent is gone it goes too, at once, because everything that was acknowledged is on disk.
 */

const NICENESS = 10
const STOP_MS_MAX = 5_000
const STOP_POLL_MS = 20

/** Views give way to commits. On Linux a priority belongs to a thread, and new threads inherit it, so all that exist are lowered. */
function lowerPriority(): void {
  const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [0]
  for (const thread of threads) {
    try {
      os.setPriority(thread, NICENESS)
    } catch {
      // A thread that has ended meanwhile.
    }
  }
}

function say(message: FromEngine): void {
  if (process.connected) process.send!(message)
}

async function start(options: Extract<ToEngine, { kind: 'start' }>) {
  const [{ Session, drainPending }, { Executor }, { Spool }, { createEngineServer }] = await Promise.all([
    import('chdb'),
    import('./executor.ts'),
    import('./spool.ts'),
    import('./server.ts'),
  ])
  const folder = path.join(options.dataDir, 'store')
  const spoolFolder = path.join(options.dataDir, 'spool')
  makeFolders(folder)
  // It runs no query: it holds the folder, and carries what only a first connection can set.
  const anchor = new Session(folder, {
    connectionArgs: [
      `--max_server_memory_usage=${options.memoryBytesMax}`,
      `--mark_cache_size=${Math.floor(options.memoryBytesMax / 8)}`,
    ],
  })
  const spool = await Spool.open(spoolFolder)
  process.chdir(spoolFolder)
  const executor = new Executor(folder, spool)
  const server = createEngineServer(executor, spool, options)
  await listen(server.http, options.port)
  const address = server.http.address()
  if (address === null || typeof address === 'string') throw new Error('The engine listens on no port.')
  const stop = async () => {
    server.http.close()
    const deadline = performance.now() + STOP_MS_MAX
    while (server.busy() > 0 && performance.now() < deadline) {
      await executor.killReads().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS))
    }
    server.http.closeAllConnections()
    executor.close()
    anchor.close()
    await drainPending()
  }
  const { ino } = statSync(folder)
  const ping = async (): Promise<void> => {
    // An engine whose folder was taken away answers from memory for a while; one that starts anew says what is missing.
    if (statSync(folder, { throwIfNoEntry: false })?.ino !== ino) {
      say({
        kind: 'failed',
        message: `${folder} is gone: the engine ends, and another one begins with an empty folder`,
      })
      process.kill(process.pid, 'SIGKILL')
    }
    await executor.ping()
  }
  return { port: address.port, ping, stop }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}

let running: Awaited<ReturnType<typeof start>> | undefined

async function obey(message: ToEngine): Promise<void> {
  switch (message.kind) {
    case 'start':
      running = await start(message)
      return say({ kind: 'ready', port: running.port })
    case 'ping':
      await running?.ping()
      return say({ kind: 'pong', id: message.id })
    case 'stop':
      await running?.stop()
      process.exit(0)
  }
}

lowerPriority()
// Ctrl-C reaches the whole group: the parent decides when views may go.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.on('message', (message) => {
  obey(message as ToEngine).catch((error: unknown) => {
    say({ kind: 'failed', message: messageOf(error) })
  })
})

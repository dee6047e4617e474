/** A view store on which the runtime "crashes": one of its writes fails, before or after it has taken effect. */
import type { ViewStore } from '../clickhouse/view-store.ts'

export interface CrashingStore {
  readonly store: ViewStore
  /** How many writes there have been. */
  writes(): number
  /** Resolves when the write has come that fails. */
  readonly crashed: Promise<void>
}

export interface CrashAt {
  /** The write that fails, counted from 1; 0: none does. */
  readonly write: number
  /** True if what it writes is stored all the same, as when a process ends before it hears so. */
  readonly isStored: boolean
}

const WRITE = /^\s*(INSERT|ALTER|DELETE|UPDATE)\b/i

/** The same store, until the write that fails; from then on every write fails. */
export function crashingStore(store: ViewStore, { write, isStored }: CrashAt): CrashingStore {
  let count = 0
  let tell: () => void = () => undefined
  const crashed = new Promise<void>((resolve) => (tell = resolve))
  const through = async <T>(run: () => Promise<T>): Promise<T> => {
    count++
    if (write === 0 || count < write) return run()
    if (count === write && isStored) await run()
    tell()
    throw new Error('the scenario ends this run here')
  }
  return {
    store: {
      query: (...query) => store.query(...query),
      command: (sql, parameters) =>
        WRITE.test(sql) ? through(() => store.command(sql, parameters)) : store.command(sql, parameters),
      insertPayload: (...insert) => through(() => store.insertPayload(...insert)),
      ping: (signal) => store.ping(signal),
      close: () => store.close(),
    },
    writes: () => count,
    crashed,
  }
}

/** What is taken where the options of the platform or of a role say nothing. */
import os from 'node:os'
import { ISO_CURRENCIES } from '../schemas/money.ts'

/** The doors are for this machine alone, on a free port, without the console for browsers; nothing is said to anybody. */
export const DOOR_DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  currencies: ISO_CURRENCIES,
  graphiql: false,
  log: (_line: string): void => undefined,
} as const

/** Options of which those that have a default may be left out. */
export type WithDefaults<Options> = Omit<Options, keyof typeof DOOR_DEFAULTS> &
  Partial<Pick<Options, keyof typeof DOOR_DEFAULTS & keyof Options>>

const MIB = 1024 * 1024
export const ENGINE_MEMORY_BYTES_MIN = 256 * MIB

/** Memory for the embedded ClickHouse: a quarter of the machine's, 4 GiB at most. */
export function defaultEngineMemory(): number {
  return Math.max(ENGINE_MEMORY_BYTES_MIN, Math.min(4096 * MIB, Math.floor(os.totalmem() / 4)))
}

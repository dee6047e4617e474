/**
 * Configuration: one table of settings, each with its flag, its environment variable and its default. The flag wins. This
 * is the only file that reads the environment. All faults are reported together, so that nobody repairs them one by one.
 */
import os from 'node:os'
import { z } from 'zod'
import { ISO_CURRENCIES, isCurrencyCode, isScale, type Currency } from '../schemas/money.ts'
import { CommandFailure } from './failure.ts'

export interface Setting {
  readonly flag: string
  readonly variable: string
  /** As text, the way a user would write it; empty: none. */
  readonly fallback: string
  readonly meaning: string
}

/** The settings of a platform, in the order of README's table, which a test holds equal to this one. */
export const SETTINGS = {
  port: { flag: '--port', variable: 'PURSER_PORT', fallback: '4000', meaning: 'Port that serves everything; 0 takes a free one.' },
  host: { flag: '--host', variable: 'PURSER_HOST', fallback: '127.0.0.1', meaning: 'Address to listen on. Loopback unless you say otherwise: identity comes in a later version.' },
  data: { flag: '--data', variable: 'PURSER_DATA', fallback: './data', meaning: 'Folder that holds log, snapshots and views.' },
  currency: { flag: '--currency', variable: 'PURSER_CURRENCIES', fallback: '', meaning: 'Currencies beside those of ISO 4217, as `CODE:SCALE`; the flag may be repeated, the variable is a comma-separated list.' },
  graphiql: { flag: '--graphiql', variable: 'PURSER_GRAPHIQL', fallback: 'true', meaning: 'Serve GraphiQL, the console for trying queries: `true` or `false`.' },
  engineMemory: { flag: '--engine-memory', variable: 'PURSER_ENGINE_MEMORY_MIB', fallback: '', meaning: 'Memory for the embedded ClickHouse, in MiB, at least 256. Default: a quarter of the machine, 4096 at most.' },
} as const satisfies Readonly<Record<string, Setting>> // prettier-ignore

/** Variables that are not settings of a platform. */
export const OTHER_VARIABLES = {
  PURSER_DEBUG: 'Set to 1: failures also show their stack, on standard error.',
} as const

export type SettingName = keyof typeof SETTINGS
/** What the command line gave, by setting. */
export type Flags = Partial<Readonly<Record<SettingName, string | readonly string[]>>>
export type Environment = Readonly<Record<string, string | undefined>>

export interface Config {
  readonly port: number
  readonly host: string
  readonly dataDir: string
  readonly currencies: ReadonlyMap<string, Currency>
  readonly graphiql: boolean
  readonly engineMemoryBytes: number
}

const MIB = 1024 * 1024
const HOST = /^[A-Za-z0-9.:_-]{1,255}$/

const currencyList = z.array(z.string()).transform((texts, context) => {
  const currencies = new Map(ISO_CURRENCIES)
  for (const text of texts) {
    const [code = '', scaleText = '', ...rest] = text.split(':')
    const scale = /^\d{1,2}$/.test(scaleText) ? Number(scaleText) : -1
    const known = ISO_CURRENCIES.get(code)
    if (rest.length > 0 || !isCurrencyCode(code) || !isScale(scale))
      context.addIssue(`expected CODE:SCALE such as USDC:6 (code of 1 to 8 characters A-Z 0-9, scale 0 to 18), got "${text}"`)
    else if (known !== undefined && known.scale !== scale)
      context.addIssue(`${code} has ${known.scale} decimal places by ISO 4217; choose another code for another scale`)
    else currencies.set(code, { code, scale })
  }
  return currencies
}) // prettier-ignore

const schema = z.object({
  port: z
    .string()
    .regex(/^\d{1,5}$/, 'expected a whole number from 0 to 65535')
    .transform(Number)
    .refine((port) => port <= 65_535, 'expected a whole number from 0 to 65535'),
  host: z.string().regex(HOST, 'expected a host name or an IP address'),
  data: z.string().min(1, 'expected a path').refine((path) => !path.includes('\0'), 'expected a path'),
  currency: currencyList,
  graphiql: z.enum(['true', 'false'], 'expected true or false').transform((text) => text === 'true'),
  engineMemory: z
    .string()
    .regex(/^(\d{1,9})?$/, 'expected a whole number of MiB')
    .transform((text) => (text === '' ? defaultEngineMemory() : Number(text) * MIB))
    .refine((bytes) => bytes >= 256 * MIB, 'expected 256 or more'),
}) // prettier-ignore

/** A quarter of the machine's memory, 4 GiB at most. */
function defaultEngineMemory(): number {
  return Math.max(256 * MIB, Math.min(4096 * MIB, Math.floor(os.totalmem() / 4)))
}

/**
 * Reads the configuration of a platform.
 * @throws CommandFailure `usage` that lists every fault
 */
export function readConfig(flags: Flags, environment: Environment = process.env): Config {
  const raw = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, { variable, fallback }]) => {
      const given: string | readonly string[] =
        flags[name as SettingName] ?? environment[variable] ?? fallback
      return [name, name === 'currency' ? listOf(given) : given]
    }),
  )
  const parsed = schema.safeParse(raw)
  if (!parsed.success) throw configFailure(parsed.error, flags)
  const { port, host, data, currency, graphiql, engineMemory } = parsed.data
  return { port, host, dataDir: data, currencies: currency, graphiql, engineMemoryBytes: engineMemory }
}

/** True if failures should show their stack. */
export function isDebugging(environment: Environment = process.env): boolean {
  return environment['PURSER_DEBUG'] === '1'
}

function listOf(given: string | readonly string[]): readonly string[] {
  const texts = typeof given === 'string' ? given.split(',') : given.flatMap((text) => text.split(','))
  return texts.map((text) => text.trim()).filter((text) => text !== '')
}

function configFailure(error: z.ZodError, flags: Flags): CommandFailure {
  const faults = error.issues.map((issue) => {
    const name = String(issue.path[0]) as SettingName
    const { flag, variable } = SETTINGS[name]
    return { setting: flags[name] === undefined ? variable : flag, problem: issue.message }
  })
  const lines = faults.map(({ setting, problem }) => `  ${setting}: ${problem}`)
  return new CommandFailure(
    'usage',
    `The configuration is wrong:\n${lines.join('\n')}\nCorrect it and start again.`,
    { faults },
  )
}

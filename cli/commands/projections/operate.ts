/** What the verbs have in common: a platform to talk to, and what an operation answers. */
import { encodePosition, decodePosition } from '../../../gateway/positions/tokens.ts'
import { formatPosition, parsePosition } from '../../../schemas/positions.ts'
import type { Command } from 'commander'
import { graphql } from '../../graphql-client.ts'
import { addJson, addSettings, type GivenOptions } from '../../options.ts'
import { CommandFailure } from '../../output/failure.ts'
import type { Output } from '../../output/output.ts'
import { openTarget, type Target } from '../../target.ts'
import { VIEW_SETTINGS } from '../../views.ts'

/** A promotion waits, and a comparison reads whole tables. */
const OPERATION_MS_MAX = 3_600_000

export interface Outcome {
  readonly __typename: 'ProjectionDone' | 'ProjectionRefused'
  readonly name?: string
  readonly version?: number
  readonly code?: string
  readonly message?: string
  readonly comparison: Comparison | null
}

export interface Comparison {
  readonly projection: string
  readonly left: number
  readonly right: number
  readonly at: string
  readonly equal: boolean
  readonly tables: readonly ComparedTable[]
}

export interface ComparedTable {
  readonly table: string
  readonly state: string
  readonly reason: string | null
  readonly rows: { readonly left: string; readonly right: string }
  readonly digests: { readonly left: string; readonly right: string }
  readonly totals: readonly { readonly currency: string; readonly column: string; readonly left: string; readonly right: string }[]
  readonly differences: readonly { readonly key: string; readonly left: readonly string[]; readonly right: readonly string[] }[]
  readonly hasMore: boolean
  readonly notCompared: readonly string[]
} // prettier-ignore

const OUTCOME = `__typename
  ... on ProjectionDone { name version comparison { ...Compared } }
  ... on ProjectionRefused { code message comparison { ...Compared } }`
const COMPARED = `fragment Compared on Comparison { projection left right at equal tables {
  table state reason rows { left right } digests { left right } totals { currency column left right }
  differences { key left right } hasMore notCompared } }`

/** Adds the options of every verb: which platform, and the one that is started for the command where none runs. */
export function addTarget(command: Command): Command {
  command.option(
    '--url <URL>',
    'the platform; default: the one that runs on the data folder, or one started for this',
  )
  addSettings(command, ['data', 'engineMemory', ...VIEW_SETTINGS])
  return addJson(command)
}

/** Does a piece of work with a platform, and stops it if it was started for that. */
export async function withTarget(
  options: GivenOptions,
  output: Output,
  work: (target: Target) => Promise<void>,
): Promise<void> {
  const target = await openTarget(options, output)
  try {
    await work(target)
  } finally {
    await target.close()
  }
}

/**
 * Runs one mutation, whatever comes of it.
 * @param given argument → its GraphQL type and value
 */
export async function ask(
  url: string,
  mutation: string,
  given: Readonly<Record<string, readonly [type: string, value: unknown]>>,
): Promise<Outcome> {
  const names = Object.keys(given).filter((name) => given[name]![1] !== undefined)
  const declared = names.map((name) => `$${name}: ${given[name]![0]}`).join(', ')
  const passed = names.map((name) => `${name}: $${name}`).join(', ')
  const query = `mutation Operate(${declared}) { outcome: ${mutation}(${passed}) { ${OUTCOME} } } ${COMPARED}`
  const variables = Object.fromEntries(names.map((name) => [name, given[name]![1]]))
  return (await graphql<{ outcome: Outcome }>(url, query, variables, OPERATION_MS_MAX)).outcome
}

/** What an operation did. @throws CommandFailure `projection_refused`, with the platform's own code beside */
export function requireDone(outcome: Outcome): { readonly name: string; readonly version: number } {
  const { name, version, code, message } = outcome
  if (name !== undefined && version !== undefined) return { name, version }
  const hint = code?.startsWith('unknown_') === true ? ' See: purser projections list.' : ''
  throw new CommandFailure('projection_refused', `${message ?? 'The platform refused.'}${hint}`, {
    refusal: code,
  })
}

/** A position for people: `0:1042`. */
export function shownPosition(token: string): string {
  const position = decodePosition(token)
  return position === undefined ? token : formatPosition(position)
}

/**
 * A position as a platform takes it, from what people write (`0:1042`) or what a platform gave.
 * @throws CommandFailure `usage`
 */
export function givenPosition(flag: string, text: string): string {
  const position = parsePosition(text)
  if (position !== undefined) return encodePosition(position)
  if (decodePosition(text) !== undefined) return text
  throw new CommandFailure(
    'usage',
    `${flag}: expected a position such as 0:1042, or one that the platform gave, got "${text}".`,
  )
}

/** @throws CommandFailure `usage` */
export function givenVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new CommandFailure('usage', `The version is a whole number from 1 on, not "${text}". See: purser projections list.`)
} // prettier-ignore

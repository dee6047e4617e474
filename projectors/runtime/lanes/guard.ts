/**
 * The guard before every checkpoint: what the rows stand in must be there, the very tables that were there when the lane began
 * with all that was put into them, and nobody may have begun on the same versions since. Without it a table that was dropped
 * and made again by hand, or emptied, would stand there with rows missing behind a checkpoint that says they are there.
 */
import { versionKey, type VersionKey } from '../checkpoints.ts'
import { blocksIn, blocksLost, blocksText, longest, type Blocks } from './blocks.ts'
import type { Parts } from './witness.ts'

/** Enough of a table's identity to tell it from one that was made again. */
const IDENTITY_CHARACTERS = 8

/** Stretches of blocks that are said of one table with a checkpoint. */
const STRETCHES_SAID_MAX = 32

/**
 * Blocks that may go with one event that an operator leaves out: those in which nothing but its rows stood. An event that
 * stops a view has been tried by itself, each time that the view was let go on.
 */
const BLOCKS_PER_SKIP_MAX = 16

/** A version that a lane fills, under the epoch in which it does. */
export interface Held extends VersionKey {
  readonly epoch: bigint
  /** Which tables its rows stand in, and what of them (`standingText`); empty: not known. */
  readonly parts: string
}

/** The log has all that a view held. */
const WHAT_TO_DO =
  'Reset the projection, or rebuild it and promote the new version: the log has everything that it held.'

/** Something is gone that rows stand in, or that fills it. */
export class PartsMissingError extends Error {
  override readonly name = 'PartsMissingError'
  readonly code = 'VIEWS_INCOMPLETE'
  constructor(missing: readonly string[]) {
    super(
      `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not there any more, or not what was there before. ${WHAT_TO_DO}`,
    )
  }
}

/** The tables are there, and some of what was put into them is not. */
export class RowsMissingError extends Error {
  override readonly name = 'RowsMissingError'
  readonly code = 'VIEWS_INCOMPLETE'
  constructor(tables: readonly string[]) {
    super(`Rows of ${tables.join(', ')} have been taken away by somebody else. ${WHAT_TO_DO}`)
  }
}

/** Somebody else fills the same version of the same partition since. */
export class FencedError extends Error {
  override readonly name = 'FencedError'
  readonly code = 'PROJECTION_FENCED'
}

/** Events that operators have left out of a version: their rows are taken away by ourselves. */
export interface LeftOut {
  has(partition: number, sequence: bigint): boolean
  readonly count: number
}

/** @throws PartsMissingError if one of these is not there */
export function requireAll(names: readonly string[], there: Parts): void {
  const missing = names.filter((name) => !there.has(name))
  if (missing.length > 0) throw new PartsMissingError(missing)
}

/**
 * Which tables these are and which blocks they hold: of each its name, the beginning of its identity, and its blocks.
 * @param skips how many events are left out
 */
export function standingText(names: readonly string[], there: Parts, skips: number): string {
  const parts = names.map((name) => {
    const { identity = '', blocks = [] } = there.get(name) ?? {}
    return [name, { identity: identity.slice(0, IDENTITY_CHARACTERS), blocks }] as const
  })
  return textOf({ parts: new Map(parts), skips })
}

/** The same, short enough to be said with every checkpoint: of a table in many pieces not all of them. */
export function shortened(standing: string): string {
  const { parts, skips } = saidIn(standing)
  const short = [...parts].map(
    ([name, { identity, blocks }]) =>
      [name, { identity, blocks: longest(blocks, STRETCHES_SAID_MAX) }] as const,
  )
  return standing === '' ? '' : textOf({ parts: new Map(short), skips })
}

function textOf({ parts, skips }: Said): string {
  const words = [...parts].map(
    ([name, { identity, blocks }]) =>
      `${name}=${identity}${blocks.length === 0 ? '' : `:${blocksText(blocks)}`}`,
  )
  return [...words, `skips=${skips}`].join(' ')
}

/** What `standingText` has said. */
interface Said {
  readonly parts: ReadonlyMap<string, { readonly identity: string; readonly blocks: Blocks }>
  readonly skips: number
}

function saidIn(text: string): Said {
  const words = (text === '' ? [] : text.split(' ')).map((word) => word.split('=') as [string, string])
  const parts = words
    .filter(([name]) => name !== 'skips')
    .map(([name, said]) => {
      const [identity = '', blocks = ''] = said.split(':')
      return [name, { identity, blocks: blocksIn(blocks) }] as const
    })
  return { parts: new Map(parts), skips: Number(new Map(words).get('skips') ?? 0) }
}

/**
 * One that was made again is empty, however it came about: between two lanes, or while nothing ran. So is one of which rows
 * have been taken away.
 * @param said `standingText`, as it was said with the rows
 * @param leftOut what operators have left out by now: what stood by itself and went with it is not missed
 * @throws PartsMissingError if one of them is not the table that it was; RowsMissingError if it holds less
 */
export function requireSame(said: string, there: Parts, leftOut: LeftOut): void {
  const before = saidIn(said)
  const changed = [...before.parts].filter(
    ([name, { identity }]) => there.get(name)?.identity.slice(0, IDENTITY_CHARACTERS) !== identity,
  )
  if (changed.length > 0) throw new PartsMissingError(changed.map(([name]) => name))
  const mayGo = Math.max(0, leftOut.count - before.skips) * BLOCKS_PER_SKIP_MAX
  const robbed = [...before.parts].filter(([name, { blocks }]) => {
    const part = there.get(name)!
    return blocksLost(blocks, part.blocks) > mayGo || part.deletions.some((one) => !isOurs(one, leftOut))
  })
  if (robbed.length > 0) throw new RowsMissingError(robbed.map(([name]) => name))
}

/** `(DELETE WHERE (partition = CAST('0', 'UInt16')) AND (sequence = CAST('9', 'UInt64')))`, of an event that is left out. */
function isOurs(deletion: string, leftOut: LeftOut): boolean {
  const value = String.raw`\(?(?:_?CAST\()?'?(\d+)'?(?:, ?'UInt\d+'\))?\)?`
  const condition = new RegExp(`^\\(?DELETE WHERE \\(?partition = ${value} AND \\(?sequence = ${value}\\)?$`)
  const [, partition, sequence] = condition.exec(deletion) ?? []
  return partition !== undefined && leftOut.has(Number(partition), BigInt(sequence!))
}

/** @throws PartsMissingError if one of these is not the one that it was */
export function requireIdentical(before: Parts, there: Parts): void {
  const missing = [...before].filter(([name, { identity }]) => there.get(name)?.identity !== identity)
  if (missing.length > 0) throw new PartsMissingError(missing.map(([name]) => name))
}

/** @throws FencedError if one of these is filled by somebody else since */
export function requireNewest(
  partition: number,
  held: readonly Held[],
  epochs: ReadonlyMap<string, bigint>,
): void {
  for (const own of held)
    if ((epochs.get(versionKey(own)) ?? 0n) > own.epoch)
      throw new FencedError(
        `${own.name} version ${own.version} of partition ${partition} is filled by another process since: this one has ended`,
      )
}

/**
 * Stamps and routes a request in one walk over its commands, after the general check. It checks what only a door can
 * check, and fills in what only a door knows.
 */
import {
  COMMAND_KINDS,
  FLAG_CONDITIONS,
  FLAG_LINKED,
  FLAG_SCALE,
  HEAD_SHIFT,
  ROUTE_ACROSS,
  SLOT,
  SLOT_WORDS,
  commandSlots,
} from '../../schemas/commands.ts'
import { CONDITION_BYTE } from '../../schemas/conditions.ts'
import { ANY_PARTITION } from '../../schemas/lane.ts'
import { unpackCurrency, type Currency } from '../../schemas/money.ts'
import { partitionOfWords } from '../../schemas/partitions.ts'
import { ID_WORDS } from '../../schemas/frame-rows.ts'
import type { RequestMemory } from './memory.ts'

/** What the walk needs besides the commands. */
export interface StampContext {
  readonly receivedAtNs: bigint
  readonly currencies: ReadonlyMap<string, Currency>
  /** True if the scale needs no check against the deployment. */
  isScaleFixed(code: string, scale: number): boolean
  readonly partitions: number
  /** The partition that the request names. */
  readonly partition: number
}

/** How a request goes on. */
export type RequestRoute =
  /** As it is, to the partition that it names. */
  | { readonly kind: 'plain' }
  /** One by one: some command has to be looked up or filled in, or goes elsewhere. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'wrong_partition'; readonly sentence: string }

const { OpenAccount, Transfer, PlaceHold, PostHold, VoidHold, ReverseTransfer } = COMMAND_KINDS
const WORDS = SLOT_WORDS * 2
const ID = SLOT.idHigh * 2
const RECEIVED_AT = SLOT.receivedAt * 2
const TEXT_LENGTHS = SLOT.textLengths * 2
const SCALE_SHIFT = HEAD_SHIFT.scale
const LINKED_BIT = FLAG_LINKED << HEAD_SHIFT.flags
const ACROSS_BIT = ROUTE_ACROSS << HEAD_SHIFT.route
const SCALE_BIT = FLAG_SCALE << HEAD_SHIFT.flags
const CONDITIONS_BIT = FLAG_CONDITIONS << HEAD_SHIFT.flags
const CONDITION_TESTS = CONDITION_BYTE.debit >>> 2
/** The byte of the credit account's condition in that word. */
const CREDIT_TEST = 0xff << ((CONDITION_BYTE.credit & 3) * 8)

const PLAIN: RequestRoute = { kind: 'plain' }
const PREPARE: RequestRoute = { kind: 'prepare' }

/**
 * Stamps each command with the time of receipt, copies the ids out, and says how the request goes on.
 * @param memory holds `count` commands that passed checkCommands
 */
export function stampAndRoute(memory: RequestMemory, count: number, context: StampContext): RequestRoute {
  const { words, ids } = memory
  const receivedLow = Number(BigInt.asIntN(32, context.receivedAtNs))
  const receivedHigh = Number(context.receivedAtNs >> 32n)
  const isRouted = context.partitions > 1
  let taken = context.partition === ANY_PARTITION && isRouted ? PREPARE : PLAIN
  let base = 0
  let isLinked = false
  for (let index = 0; index < count; index++) {
    const cell = index * ID_WORDS
    words[base + RECEIVED_AT] = receivedLow
    words[base + RECEIVED_AT + 1] = receivedHigh
    ids[cell] = words[base + ID]!
    ids[cell + 1] = words[base + ID + 1]!
    ids[cell + 2] = words[base + ID + 2]!
    ids[cell + 3] = words[base + ID + 3]!
    const lengths = words[base + TEXT_LENGTHS]!
    // The fast path: nearly all commands are transfers without text, in a deployment of one partition.
    if ((words[base]! & 0xff) !== Transfer || lengths !== 0 || isRouted) {
      const command = lookAt(memory, base, context, isLinked)
      isLinked = (words[base]! & LINKED_BIT) !== 0
      if (command.kind === 'prepare') taken = PREPARE
      else if (command.kind !== 'plain')
        return { ...command, sentence: `command ${index} ${command.sentence}` }
      base += commandSlots(lengths & 0xffff, lengths >>> 16) * WORDS
    } else base += WORDS
  }
  return taken
}

/**
 * Checks one command that is no plain transfer. The sentence says what is wrong with it.
 * @param endsLink true if the command before is linked with it
 */
function lookAt(memory: RequestMemory, base: number, context: StampContext, endsLink: boolean): RequestRoute {
  const { words } = memory
  const kind = words[base]! & 0xff
  if (kind === ReverseTransfer) return PREPARE
  const scale = kind === OpenAccount ? fillScale(words, base, context) : PLAIN
  return context.partitions === 1 || scale !== PLAIN ? scale : route(words, base, kind, context, endsLink)
}

/**
 * Fills in the platform's scale if the sender leaves it open. If the account cannot be opened with that scale,
 * preparing reports it.
 */
function fillScale(words: Int32Array, base: number, context: StampContext): RequestRoute {
  const code = unpackCurrency(u64(words, base + SLOT.currency * 2))
  const known = context.currencies.get(code)
  const isGiven = (words[base]! & SCALE_BIT) !== 0
  if (known === undefined && !isGiven) return PREPARE
  if (!isGiven) words[base] = words[base]! | SCALE_BIT | (known!.scale << SCALE_SHIFT)
  const scale = (words[base]! >>> SCALE_SHIFT) & 0xff
  if (known !== undefined && known.scale !== scale) return PREPARE
  return context.isScaleFixed(code, scale) ? PLAIN : PREPARE
}

/**
 * With several partitions: whether the command belongs to the partition that the request names. A transfer or hold to another one
 * is marked as such; the members of a linked group may not be one, and it has no condition on the credit account.
 */
function route(
  words: Int32Array,
  base: number,
  kind: number,
  context: StampContext,
  endsLink: boolean,
): RequestRoute {
  if (context.partition === ANY_PARTITION || kind === PostHold || kind === VoidHold) return PREPARE
  const home = partitionOfWords(words, base + SLOT.debitHigh * 2, context.partitions)
  if (home !== context.partition)
    return { kind: 'wrong_partition', sentence: `belongs to partition ${home}, not to ${context.partition}` }
  const credit = base + SLOT.creditHigh * 2
  if (isNil(words, credit) || partitionOfWords(words, credit, context.partitions) === home) return PLAIN
  if ((kind !== Transfer && kind !== PlaceHold) || endsLink || (words[base]! & LINKED_BIT) !== 0)
    return PREPARE
  if ((words[base]! & CONDITIONS_BIT) !== 0 && (words[base + CONDITION_TESTS]! & CREDIT_TEST) !== 0)
    return PREPARE
  words[base] = words[base]! | ACROSS_BIT
  return PLAIN
}

function isNil(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0
}

function u64(words: Int32Array, at: number): bigint {
  return (BigInt(words[at + 1]! >>> 0) << 32n) | BigInt(words[at]! >>> 0)
}

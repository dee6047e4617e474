/**
 * Turns a caller's input, already read by type, into a command. It makes every check that needs no state, and names the
 * field. Its sentences are for people. What may pass is decided by the one check of all doors
 * (schemas/check-commands.ts), which each command goes through at the end.
 */
import { checkCommand, type CommandField } from '../../schemas/check-commands.ts'
import { isNilId, isUuidV7, makeUuidV7, NIL_ID, type Id } from '../../schemas/ids.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command, Coordination } from '../../schemas/commands.ts'
import type { Condition } from '../../schemas/conditions.ts'
import { AMOUNT_MAX, MEMO_BYTES_MAX, OWNER_BYTES_MAX } from '../../schemas/limits.ts'
import { isCurrencyCode, isScale, type Currency } from '../../schemas/money.ts'
import { idBeside } from '../../schemas/partitions.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import { badInput, type Fault } from '../errors.ts'
import { CLIENT_KINDS, INPUT_FIELDS, type ClientKind } from './inputs.ts'
import { READERS, show } from './values.ts'

/** What the checks need from outside: the clock, random bits, the known currencies. */
export interface CommandContext {
  readonly currencies: ReadonlyMap<string, Currency>
  readonly clock: () => bigint
  /** Ten random bytes. */
  readonly randomBits: () => Uint8Array
  /** Of the deployment: an id that the door makes lives beside the account that decides. */
  readonly partitions: number
}

/** The values of a caller's input, by field. Their types are those of INPUT_FIELDS. */
export type InputValues = Readonly<Record<string, unknown>>

const NS_PER_SECOND = 1_000_000_000n

/**
 * Makes the command of one input.
 * @param path of the input in the request, for errors: `input`, `commands[3]`
 * @throws Fault BAD_USER_INPUT that names the field
 */
export function toCommand(
  kind: ClientKind,
  values: InputValues,
  path: string,
  context: CommandContext,
): Command {
  const command = made(kind, values, path, context)
  const wrong = checkCommand(encodeCommands([command]))
  if (wrong !== undefined) throw badInput(`${path}.${inputName(kind, wrong.field)}`, `It ${wrong.why}.`)
  return command
}

/** The input's name for a field of the slot. */
function inputName(kind: ClientKind, field: CommandField): string {
  const isAboutAccount = Object.hasOwn(INPUT_FIELDS[kind], 'accountId')
  switch (field) {
    case 'debit':
      return isAboutAccount ? 'accountId' : 'debitAccountId'
    case 'credit':
      return 'creditAccountId'
    case 'related':
      return kind === 'reverseTransfer' ? 'transferId' : 'holdId'
    case 'amount':
      return isAboutAccount ? 'overdraftLimit' : 'amount'
    case 'ifDebit':
    case 'ifCredit':
      return `${field}Version`
    case 'timeout':
      return 'timeoutSeconds'
    default:
      return field
  }
}

function made(kind: ClientKind, values: InputValues, path: string, context: CommandContext): Command {
  const wrong = (field: string, message: string): Fault => badInput(`${path}.${field}`, message)
  const nowNs = context.clock()
  const common = {
    kind: CLIENT_KINDS[kind],
    id: commandId(values, wrong, context, nowNs),
    receivedAtNs: nowNs,
    code: (values['code'] as number | null | undefined) ?? 0,
    reference: reference(values['reference'] as Id | null | undefined, wrong),
    memo: boundedText(values['memo'], MEMO_BYTES_MAX, 'memo', wrong),
    effectiveAtNs: (values['effectiveAt'] as bigint | null | undefined) ?? undefined,
    ifDebit: condition(values, 'ifDebit', wrong),
    ifCredit: condition(values, 'ifCredit', wrong),
  }
  switch (kind) {
    case 'openAccount':
      return {
        ...common,
        debit: notNil(values, 'accountId', wrong),
        owner: boundedText(values['owner'], OWNER_BYTES_MAX, 'owner', wrong),
        ...newAccountMoney(values, wrong, context),
      }
    case 'freezeAccount':
    case 'unfreezeAccount':
    case 'closeAccount':
      return { ...common, debit: notNil(values, 'accountId', wrong) }
    case 'changeAccount':
      if (values['owner'] === '')
        throw wrong('owner', 'An owner cannot be taken away: leave the field out to keep it.')
      return {
        ...common,
        debit: notNil(values, 'accountId', wrong),
        owner: boundedText(values['owner'], OWNER_BYTES_MAX, 'owner', wrong),
        amount: overdraftLimit(values, wrong),
      }
    case 'transfer':
    case 'placeHold':
      return {
        ...common,
        debit: notNil(values, 'debitAccountId', wrong),
        credit: notNil(values, 'creditAccountId', wrong),
        amount: positive(values['amount'] as bigint, wrong),
        currency: knownCode(values['currency'] as string, wrong),
        coordination: (values['coordination'] as Coordination | null | undefined) ?? undefined,
        timeoutNs: timeout(values['timeoutSeconds'] as number | null | undefined, wrong),
      }
    case 'postHold': {
      const amount = values['amount'] as bigint | null | undefined
      return {
        ...common,
        related: notNil(values, 'holdId', wrong),
        amount: amount === undefined || amount === null ? undefined : positive(amount, wrong),
        keepOpen: values['keepOpen'] === true,
      }
    }
    case 'voidHold':
      return { ...common, related: notNil(values, 'holdId', wrong) }
    case 'reverseTransfer': {
      const amount = values['amount'] as bigint | null | undefined
      const part =
        amount === undefined || amount === null ? {} : { part: true, amount: positive(amount, wrong) }
      return {
        ...common,
        ...part,
        related: notNil(values, 'transferId', wrong),
        force: values['force'] === true,
      }
    }
  }
}

/**
 * Reads the fields of one bulk item from JSON, by the table of inputs. Unknown fields are refused: a misspelt optional
 * field would silently get its default.
 * @throws Fault BAD_USER_INPUT that names the field
 */
export function readInput(
  kind: ClientKind,
  raw: Readonly<Record<string, unknown>>,
  path: string,
): InputValues {
  const fields = INPUT_FIELDS[kind]
  const values: Record<string, unknown> = {}
  for (const name in raw) {
    if (name === 'kind' || name === 'linked') continue
    if (!Object.hasOwn(fields, name))
      throw badInput(`${path}.${name.slice(0, 40)}`, `A command of kind ${kind} has no such field.`)
  }
  for (const [name, field] of Object.entries(fields)) {
    const value = raw[name]
    if (value === undefined || value === null) {
      if (field.required) throw badInput(`${path}.${name}`, 'This field is required.')
      continue
    }
    const reading = READERS[field.type](value)
    if ('wrong' in reading) throw badInput(`${path}.${name}`, reading.wrong)
    values[name] = reading.value
  }
  return values
}

/** The fields that say, in this order, where a command is decided; of a hold or a transfer, probably. */
const DECIDING = ['accountId', 'debitAccountId', 'holdId', 'transferId'] as const

type Wrong = (field: string, message: string) => Fault

function commandId(values: InputValues, wrong: Wrong, context: CommandContext, nowNs: bigint): Id {
  const id = values['id'] as Id | null | undefined
  if (id === undefined || id === null) {
    const beside =
      DECIDING.map((field) => values[field] as Id | null | undefined).find((named) => named) ?? NIL_ID
    return idBeside(beside, context.partitions, () =>
      makeUuidV7(Number(nowNs / NS_PER_MS), context.randomBits()),
    )
  }
  if (!isUuidV7(id))
    throw wrong(
      'id',
      'The id has to be a UUID of version 7 (RFC 9562): its time lets an id count once, for ever.',
    )
  return id
}

function notNil(values: InputValues, field: string, wrong: Wrong): Id {
  const id = values[field] as Id
  if (isNilId(id)) throw wrong(field, 'The nil UUID is the id of nothing: name the one that is meant.')
  return id
}

function boundedText(value: unknown, bytesMax: number, field: string, wrong: Wrong): string {
  const reading = READERS.String(value ?? '')
  if ('wrong' in reading) throw wrong(field, reading.wrong)
  const text = reading.value
  // A UTF-16 unit takes at most three bytes of UTF-8, so most texts need no exact count.
  if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax)
    throw wrong(field, `Longer than ${bytesMax} bytes of UTF-8.`)
  return text
}

function reference(id: Id | null | undefined, wrong: Wrong): Id | undefined {
  if (id === undefined || id === null) return undefined
  if (isNilId(id)) throw wrong('reference', 'The nil UUID is no reference: leave the field out for none.')
  return id
}

function positive(amount: bigint, wrong: Wrong): bigint {
  if (amount <= 0n) throw wrong('amount', 'An amount has to be above zero.')
  return amount
}

/** Checks only that the text is a currency code. The core compares it with the currency of the accounts. */
function knownCode(code: string, wrong: Wrong): string {
  if (!isCurrencyCode(code))
    throw wrong('currency', `Expected a currency code: 1 to 8 characters A-Z 0-9, got ${show(code)}.`)
  return code
}

/** The condition on one account: its version, or what it has available. */
function condition(values: InputValues, side: 'ifDebit' | 'ifCredit', wrong: Wrong): Condition | undefined {
  const version = (values[`${side}Version`] as bigint | null | undefined) ?? undefined
  const field = `${side}AvailableAtLeast`
  const availableAtLeast = (values[field] as bigint | null | undefined) ?? undefined
  if (version !== undefined && (version === 0n || version > AMOUNT_MAX))
    throw wrong(`${side}Version`, 'The versions of an account begin with 1.')
  if (availableAtLeast === undefined) return version === undefined ? undefined : { version }
  if (version !== undefined) throw wrong(field, 'One condition an account: leave this out, or the version.')
  if (availableAtLeast < 0n) throw wrong(field, 'It has to be zero or more.')
  return { availableAtLeast }
}

function timeout(seconds: number | null | undefined, wrong: Wrong): bigint | undefined {
  if (seconds === undefined || seconds === null) return undefined
  if (seconds <= 0) throw wrong('timeoutSeconds', 'A hold has to last at least one second.')
  return BigInt(seconds) * NS_PER_SECOND
}

function newAccountMoney(
  values: InputValues,
  wrong: Wrong,
  context: CommandContext,
): Pick<Command, 'currency' | 'scale' | 'amount' | 'system'> {
  const currency = knownCode(values['currency'] as string, wrong)
  const known = context.currencies.get(currency)
  const scale = (values['scale'] as number | null | undefined) ?? known?.scale
  if (scale === undefined)
    throw wrong('currency', `The currency ${currency} is not known here. Name its scale, or configure it.`)
  if (!isScale(scale)) throw wrong('scale', 'A scale is a whole number from 0 to 18.')
  if (known !== undefined && known.scale !== scale)
    throw wrong('scale', `${currency} has ${known.scale} decimal places here.`)
  const limit = overdraftLimit(values, wrong)
  if (values['system'] !== true) return { currency, scale, amount: limit ?? 0n }
  if (limit !== undefined)
    throw wrong('overdraftLimit', 'A system account has no overdraft limit: leave it out.')
  return { currency, scale, system: true }
}

function overdraftLimit(values: InputValues, wrong: Wrong): bigint | undefined {
  const limit = (values['overdraftLimit'] as bigint | null | undefined) ?? undefined
  if (limit !== undefined && limit < 0n)
    throw wrong(
      'overdraftLimit',
      'An overdraft limit is zero or more. For none at all, open a system account.',
    )
  return limit
}

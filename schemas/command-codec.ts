/** Commands to slots and back. The layout is that of schemas/commands.ts. */
import {
  COMMAND_KINDS,
  COMMAND_KIND_NAMES,
  FLAG_ALL,
  FLAG_CONDITIONS,
  FLAG_EFFECTIVE_AT,
  FLAG_FORCE,
  FLAG_KEEP_OPEN,
  FLAG_LIMIT,
  FLAG_LINKED,
  FLAG_PART,
  FLAG_REFERENCE,
  FLAG_SCALE,
  FLAG_SYSTEM,
  FLAG_TIMEOUT,
  ROUTE_ACROSS,
  ROUTE_SAGA,
  ROUTE_TCC,
  SLOT,
  SLOT_BYTE,
  SLOT_WORDS,
  STEP_KINDS,
  commandSlots,
  type Command,
  type CommandKind,
  type Step,
} from './commands.ts'
import { conditionAt, putCondition } from './conditions.ts'
import { isNilId, NIL_ID, type Id } from './ids.ts'
import { COMMAND_SLOT_BYTES, MEMO_BYTES_MAX, OWNER_BYTES_MAX } from './limits.ts'
import { packCurrency, unpackCurrency } from './money.ts'
import { REFUSAL_CODES, REVERSAL_FINDINGS, refusalOf, type Refusal } from './refusals.ts'
import { decodeText } from './text.ts'

const encoder = new TextEncoder()

/**
 * Encodes commands one behind the other. Throws RangeError where a text is too long or a code no currency code:
 * doors check both before they come here.
 */
export function encodeCommands(commands: readonly Command[]): Uint8Array<ArrayBuffer> {
  const texts = commands.map((command) => ({
    memo: textBytes(command.memo, MEMO_BYTES_MAX, 'memo'),
    owner: textBytes(command.owner, OWNER_BYTES_MAX, 'owner'),
  }))
  const slots = texts.reduce((sum, { memo, owner }) => sum + commandSlots(memo.length, owner.length), 0)
  const bytes = new Uint8Array(slots * COMMAND_SLOT_BYTES)
  const words = new BigInt64Array(bytes.buffer)
  const view = new DataView(bytes.buffer)
  let slot = 0
  commands.forEach((command, index) => {
    const { memo, owner } = texts[index]!
    const word = slot * SLOT_WORDS
    const byte = slot * COMMAND_SLOT_BYTES
    view.setUint8(byte + SLOT_BYTE.kind, COMMAND_KINDS[command.kind])
    view.setUint8(byte + SLOT_BYTE.flags, flagsOf(command))
    view.setUint8(byte + SLOT_BYTE.scale, command.scale ?? routeOf(command))
    const finding = command.finding ?? command.step?.refusal
    view.setUint8(byte + SLOT_BYTE.finding, finding === undefined ? 0 : REFUSAL_CODES[finding])
    view.setUint32(byte + SLOT_BYTE.code, command.code ?? 0, true)
    putId(words, word + SLOT.idHigh, command.id)
    putId(words, word + SLOT.debitHigh, command.debit ?? NIL_ID)
    putId(words, word + SLOT.creditHigh, command.credit ?? NIL_ID)
    putId(words, word + SLOT.relatedHigh, command.related ?? NIL_ID)
    words[word + SLOT.amount] = command.amount ?? 0n
    words[word + SLOT.effectiveAt] = command.effectiveAtNs ?? 0n
    words[word + SLOT.timeout] = command.timeoutNs ?? command.leftToReverse ?? command.step?.ofHold ?? 0n
    words[word + SLOT.receivedAt] = command.receivedAtNs ?? 0n
    words[word + SLOT.currency] = command.currency === undefined ? 0n : packCurrency(command.currency)
    putId(words, word + SLOT.referenceHigh, command.reference ?? NIL_ID)
    words[word + SLOT.checkedSequence] = command.checkedSequence ?? command.step?.answers ?? 0n
    if (command.step !== undefined) putStep(view, byte, command.step)
    putCondition(view, byte, 'debit', command.ifDebit)
    putCondition(view, byte, 'credit', command.ifCredit)
    view.setUint16(byte + SLOT_BYTE.memoBytes, memo.length, true)
    view.setUint16(byte + SLOT_BYTE.ownerBytes, owner.length, true)
    bytes.set(memo, byte + COMMAND_SLOT_BYTES)
    bytes.set(owner, byte + COMMAND_SLOT_BYTES + memo.length)
    slot += commandSlots(memo.length, owner.length)
  })
  return bytes
}

function routeOf({ across, coordination }: Command): number {
  const by = coordination === undefined ? 0 : coordination === 'saga' ? ROUTE_SAGA : ROUTE_TCC
  return by | (across === true ? ROUTE_ACROSS : 0)
}

function putStep(view: DataView, byte: number, step: Step): void {
  view.setUint8(byte + SLOT_BYTE.stepScale, step.scale)
  view.setUint16(byte + SLOT_BYTE.source, step.source, true)
  view.setUint16(byte + SLOT_BYTE.attempt, step.attempt, true)
  view.setUint32(byte + SLOT_BYTE.channel, step.channel, true)
  view.setUint32(byte + SLOT_BYTE.turn, step.turn, true)
}

function flagsOf(command: Command): number {
  const { kind } = command
  let flags = command.linked === true ? FLAG_LINKED : 0
  if (command.effectiveAtNs !== undefined) flags |= FLAG_EFFECTIVE_AT
  if (command.timeoutNs !== undefined) flags |= FLAG_TIMEOUT
  if (command.reference !== undefined) flags |= FLAG_REFERENCE
  if (kind === 'PostHold' && command.amount === undefined) flags |= FLAG_ALL
  if (kind === 'ChangeAccount' && command.amount !== undefined) flags |= FLAG_LIMIT
  if (command.keepOpen === true) flags |= FLAG_KEEP_OPEN
  if (kind === 'ReverseTransfer' && command.part === true) flags |= FLAG_PART
  if (command.force === true) flags |= FLAG_FORCE
  if (command.system === true) flags |= FLAG_SYSTEM
  if (command.scale !== undefined) flags |= FLAG_SCALE
  if (command.ifDebit !== undefined || command.ifCredit !== undefined) flags |= FLAG_CONDITIONS
  return flags
}

/** Decodes what `encodeCommands` wrote; what was not given is undefined. Throws RangeError on anything else: strangers' bytes pass a door's checks first. */
export function decodeCommands(bytes: Uint8Array): Command[] {
  if (bytes.length % COMMAND_SLOT_BYTES !== 0) throw new RangeError('commands are not whole slots')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const commands: Command[] = []
  for (let byte = 0; byte < bytes.length;) {
    const kind = COMMAND_KIND_NAMES.get(view.getUint8(byte + SLOT_BYTE.kind))
    if (kind === undefined)
      throw new RangeError(`unknown command kind ${view.getUint8(byte + SLOT_BYTE.kind)}`)
    const memoBytes = view.getUint16(byte + SLOT_BYTE.memoBytes, true)
    const ownerBytes = view.getUint16(byte + SLOT_BYTE.ownerBytes, true)
    if (memoBytes > MEMO_BYTES_MAX || ownerBytes > OWNER_BYTES_MAX) throw new RangeError('a text is too long')
    const text = byte + COMMAND_SLOT_BYTES
    const end = byte + commandSlots(memoBytes, ownerBytes) * COMMAND_SLOT_BYTES
    if (end > bytes.length) throw new RangeError('a text is cut off')
    commands.push({
      kind,
      ...givenAt(view, byte, kind),
      memo: decodeText(bytes.subarray(text, text + memoBytes)),
      owner: decodeText(bytes.subarray(text + memoBytes, text + memoBytes + ownerBytes)),
    })
    byte = end
  }
  return commands
}

/** What the slot at `byte` gives, its kind and texts aside. */
function givenAt(view: DataView, byte: number, kind: CommandKind): Omit<Command, 'kind'> {
  const flags = view.getUint8(byte + SLOT_BYTE.flags)
  const has = (flag: number): boolean => (flags & flag) !== 0
  const id = (offset: number): Id => ({
    high: view.getBigUint64(byte + offset, true),
    low: view.getBigUint64(byte + offset + 8, true),
  })
  const named = (offset: number): Id | undefined => (isNilId(id(offset)) ? undefined : id(offset))
  const currency = unpackCurrency(view.getBigUint64(byte + SLOT_BYTE.currency, true))
  const isStep = STEP_KINDS.has(kind)
  const route = has(FLAG_SCALE) && kind !== 'PostHold' ? 0 : view.getUint8(byte + SLOT_BYTE.scale)
  const finding = refusalOf(view.getUint8(byte + SLOT_BYTE.finding))
  return {
    id: id(SLOT_BYTE.id),
    debit: named(SLOT_BYTE.debit),
    credit: named(SLOT_BYTE.credit),
    related: named(SLOT_BYTE.related),
    amount: isAmountGiven(kind, flags) ? view.getBigInt64(byte + SLOT_BYTE.amount, true) : undefined,
    part: kind === 'ReverseTransfer' && has(FLAG_PART) ? true : undefined,
    force: kind === 'ReverseTransfer' && has(FLAG_FORCE) ? true : undefined,
    leftToReverse: kind === 'ReverseTransfer' ? view.getBigInt64(byte + SLOT_BYTE.timeout, true) : undefined,
    keepOpen: kind === 'PostHold' && has(FLAG_KEEP_OPEN) ? true : undefined,
    system: kind === 'OpenAccount' && has(FLAG_SYSTEM),
    effectiveAtNs: has(FLAG_EFFECTIVE_AT) ? view.getBigInt64(byte + SLOT_BYTE.effectiveAt, true) : undefined,
    timeoutNs: has(FLAG_TIMEOUT) ? view.getBigInt64(byte + SLOT_BYTE.timeout, true) : undefined,
    receivedAtNs: view.getBigInt64(byte + SLOT_BYTE.receivedAt, true),
    currency: currency === '' ? undefined : currency,
    scale: kind !== 'PostHold' && has(FLAG_SCALE) ? view.getUint8(byte + SLOT_BYTE.scale) : undefined,
    code: view.getUint32(byte + SLOT_BYTE.code, true),
    reference: has(FLAG_REFERENCE) ? id(SLOT_BYTE.reference) : undefined,
    checkedSequence: isStep ? undefined : view.getBigUint64(byte + SLOT_BYTE.checkedSequence, true),
    ifDebit: has(FLAG_CONDITIONS) ? conditionAt(view, byte, 'debit') : undefined,
    ifCredit: has(FLAG_CONDITIONS) ? conditionAt(view, byte, 'credit') : undefined,
    linked: has(FLAG_LINKED),
    finding: isStep ? undefined : REVERSAL_FINDINGS.find((name) => name === finding),
    across: (route & ROUTE_ACROSS) !== 0 ? true : undefined,
    coordination: (route & ROUTE_SAGA) !== 0 ? 'saga' : (route & ROUTE_TCC) !== 0 ? 'tcc' : undefined,
    step: isStep ? stepAt(view, byte, kind, finding) : undefined,
  }
}

function stepAt(view: DataView, byte: number, kind: CommandKind, refusal: Refusal | undefined): Step {
  return {
    source: view.getUint16(byte + SLOT_BYTE.source, true),
    channel: view.getUint32(byte + SLOT_BYTE.channel, true),
    turn: view.getUint32(byte + SLOT_BYTE.turn, true),
    attempt: view.getUint16(byte + SLOT_BYTE.attempt, true),
    answers: view.getBigUint64(byte + SLOT_BYTE.checkedSequence, true),
    scale: view.getUint8(byte + SLOT_BYTE.stepScale),
    ofHold: kind === 'DrawCredit' ? view.getBigInt64(byte + SLOT_BYTE.timeout, true) : undefined,
    refusal,
  }
}

/** True if the slot's amount is one. */
function isAmountGiven(kind: CommandKind, flags: number): boolean {
  switch (kind) {
    case 'OpenAccount':
      return (flags & FLAG_SYSTEM) === 0
    case 'PostHold':
      return (flags & FLAG_ALL) === 0
    case 'ChangeAccount':
      return (flags & FLAG_LIMIT) !== 0
    default:
      return MOVING_KINDS.has(kind) || STEP_KINDS.has(kind)
  }
}
const MOVING_KINDS: ReadonlySet<CommandKind> = new Set(['Transfer', 'PlaceHold', 'ReverseTransfer'])

function textBytes(text: string | undefined, bytesMax: number, what: string): Uint8Array {
  const bytes = encoder.encode(text ?? '')
  if (bytes.length > bytesMax) throw new RangeError(`${what} is longer than ${bytesMax} bytes`)
  return bytes
}

function putId(words: BigInt64Array, word: number, id: Id): void {
  words[word] = BigInt.asIntN(64, id.high)
  words[word + 1] = BigInt.asIntN(64, id.low)
}

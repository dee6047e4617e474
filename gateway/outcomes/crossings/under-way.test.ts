/** A transfer across partitions has its outcome in a later row than its own: whoever sent it waits for that one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { offsetsFrom } from '../../../eventlog/queue/offer-offsets.ts'
import { formatCrossing } from '../../../schemas/crossing.ts'
import type { EventKind, WalletEvent } from '../../../schemas/events.ts'
import { ID_WORDS, idWords, type FrameRows } from '../../../schemas/frame-rows.ts'
import type { Frame } from '../../../schemas/frames.ts'
import { makeUuidV7, type Id } from '../../../schemas/ids.ts'
import { REFUSAL_CODES, refusalOf } from '../../../schemas/refusals.ts'
import { sampleEvent } from '../../../schemas/sample-event.testing.ts'
import { sealed } from '../../../test/support/memory-log.ts'
import type { PendingBatch } from '../pending-batch.ts'
import { PendingCommands } from '../pending.ts'
import { RecentEvents } from '../recent-events.ts'

function idOf(index: number): Id {
  return makeUuidV7(1_700_000_000_000, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, index >> 8, index & 255]))
}

const account = (low: bigint): Id => ({ high: 1n, low })

/** An event of the crossing under this id. Its body is the fingerprint of the command that began it. */
function step(kind: EventKind, id: Id, more: Partial<WalletEvent> = {}): WalletEvent {
  const text = formatCrossing({ debit: account(1n), credit: account(2n), source: 0, channel: 1, turn: 1, answers: 9n }) // prettier-ignore
  return sampleEvent({ kind, transferId: id, namedAccounts: text, memo: 'a memo', ...more })
}

/** The row that opens a transit account, right before the row that first needs it. */
const opening = sampleEvent({ kind: 'AccountOpened', command: 'TimeStep', transferId: account(7n), owner: 'in transit' }) // prettier-ignore

class Log {
  readonly pending: PendingCommands
  #sequence = 1n
  #offset = 0n

  constructor(pending = new PendingCommands()) {
    this.pending = pending
    this.frame([], 0)
  }

  /** Brings a frame that consumes so many commands. */
  frame(events: readonly WalletEvent[], commands: number): Frame {
    this.#offset += BigInt(commands)
    const numbered = events.map((event) => ({ ...event, sequence: this.#sequence++ }))
    const frame = { ...sealed(0, numbered, this.#sequence - BigInt(events.length), new Uint8Array(32)), nextCommandOffset: this.#offset } // prettier-ignore
    this.pending.onFrame(frame)
    return frame
  }

  /** Offers one command at the next place of the queue. @param at how many places behind the last one consumed */
  send(id: Id, body = 0n, at = 0, offeredAtMs = 0): Told {
    const told: Told = { how: undefined }
    this.pending.stored(this.pending.add(batchOf(id, body, told, offeredAtMs)), offsetsFrom(this.#offset + BigInt(at), 1)) // prettier-ignore
    return told
  }
}

interface Told {
  how: string | undefined
  /** Set by a command that the views would settle: as if they said that a crossing is under way. */
  awaitEnd?: (isRepeat: boolean) => void
}

function batchOf(id: Id, body: bigint, told: Told, offeredAtMs: number): PendingBatch {
  const tell = (how: string): void => {
    expect(told.how).toBeUndefined()
    told.how = how
  }
  const outcome = (rows: FrameRows, byte: number): string => refusalOf(rows.toldRefusal(byte)) ?? 'applied'
  const isSame = (rows: FrameRows, byte: number): boolean => rows.fingerprint(byte) === body
  return {
    count: 1,
    ids: idWords(id),
    offeredAtMs,
    onEvent: (_, rows, byte) => tell(outcome(rows, byte)),
    onFound: (_, rows, byte) => tell(isSame(rows, byte) ? outcome(rows, byte) : 'reused'),
    onEarlier: (_, rows, byte) => tell(isSame(rows, byte) ? `${outcome(rows, byte)} again` : 'reused'),
    // Two commands with one id and body are one command that was sent twice: they differ in the time of receipt alone.
    whose: (_, rows, byte) => (isSame(rows, byte) ? 'repeated' : 'other'),
    onEnded: (_, isRepeat, rows, byte) => {
      expect(rows.isTransfer(byte, idWords(id), 0)).toBe(true)
      tell(outcome(rows, byte) + (isRepeat ? ' again' : ''))
    },
    onEventless: (_, _silence, awaitEnd) => (told.awaitEnd = awaitEnd),
    onSkipped: () => tell('passed over'),
    onUnknown: (from, end) => {
      expect([from, end]).toEqual([0, 1])
      tell('unknown')
    },
  }
}

const refusedFor = (kind: EventKind, refusal: keyof typeof REFUSAL_CODES): Partial<WalletEvent> => ({
  fingerprint: BigInt(REFUSAL_CODES[refusal]),
  command: kind === 'TransferCancelled' ? 'TimeStep' : 'CancelTransfer',
})

describe('a transfer across partitions', () => {
  test.each([
    ['TCC', 'TransferReserved', ['TransferConfirmed'], 'TransferCompleted', 'applied'],
    ['TCC', 'TransferReserved', [], 'TransferCancelled', 'transfer_timed_out'],
    ['Saga', 'TransferDebited', [], 'TransferCompleted', 'applied'],
    ['Saga', 'TransferDebited', ['TransferRecalled'], 'TransferCompensated', 'credit_account_closed'],
    ['a hold', 'HoldReserved', [], 'HoldConfirmed', 'applied'],
    ['a hold', 'HoldReserved', [], 'TransferCancelled', 'credit_account_closed'],
    ['a post', 'HoldDrawn', ['HoldReleased', 'ReleaseCompleted', 'CreditDrawn'], 'TransferCompleted', 'applied'],
    ['a void', 'HoldReleased', [], 'ReleaseCompleted', 'applied'],
  ] as const)('by %s that begins with %s is settled by its end, after %s: %s, as %s', (_, begins, between, ends, how) => {
    const log = new Log()
    const told = log.send(idOf(1))
    // What voids a hold names it; what a post or its expiry lets go of has the hold's own id.
    log.frame([opening, step(begins, idOf(1), { command: 'VoidHold', relatedId: idOf(7) })], 1)
    for (const kind of [...between, 'TransferReminded', 'CreditReserved', 'TransferCredited', 'StepAnswered'] as const) {
      log.frame([step(kind, idOf(1), { command: 'PostHold', relatedId: idOf(1) })], 1)
      expect([told.how, log.pending.count, log.pending.offers]).toEqual([undefined, 1, 0])
    }
    log.frame([step(ends, idOf(1), how === 'applied' ? { relatedId: idOf(7) } : refusedFor(ends, how))], 1)
    expect([told.how, log.pending.count]).toEqual([how, 0])
  }) // prettier-ignore

  test('does not keep the commands behind it from their outcomes, and rows of steps between them are nobody’s', () => {
    const log = new Log()
    const [before, crossing, behind] = [log.send(idOf(1)), log.send(idOf(2), 0n, 1), log.send(idOf(3), 0n, 2)]
    log.frame(
      [
        step('TransferConfirmed', idOf(9)),
        sampleEvent({ transferId: idOf(1) }),
        opening,
        step('TransferReserved', idOf(2)),
        step('CreditReserved', idOf(3)),
        step('TransferCompleted', idOf(9)),
        sampleEvent({ transferId: idOf(3) }),
      ],
      3,
    )
    expect([before.how, crossing.how, behind.how]).toEqual(['applied', undefined, 'applied'])
    expect(log.pending.count).toBe(1)
  })

  test('sent again in any of its phases has the same outcome, and another body is told so at once', () => {
    const log = new Log()
    const first = log.send(idOf(1), 5n)
    const inTheSameFrame = log.send(idOf(1), 5n, 1)
    log.frame([step('TransferReserved', idOf(1), { fingerprint: 5n })], 2)
    const others: Told[] = []
    const again: Told[] = []
    const sendBoth = (): void => {
      others.push(log.send(idOf(1), 6n))
      log.frame([], 1)
      again.push(log.send(idOf(1), 5n))
      log.frame([], 1)
    }
    for (const kind of ['TransferReminded', 'TransferConfirmed', 'TransferReminded'] as const) {
      sendBoth()
      log.frame([step(kind, idOf(1))], 1)
    }
    expect([first, inTheSameFrame, ...again].map(({ how }) => how)).toEqual(again.concat(first, inTheSameFrame).map(() => undefined)) // prettier-ignore
    log.frame([step('TransferCompleted', idOf(1))], 1)
    sendBoth()
    expect(first.how).toBe('applied')
    expect([inTheSameFrame, ...again].map(({ how }) => how)).toEqual(again.concat(inTheSameFrame).map(() => 'applied again')) // prettier-ignore
    expect(others.map(({ how }) => how)).toEqual(others.map(() => 'reused'))
    expect(log.pending.count).toBe(0)
  })

  test('that does not end in time is told as unknown, once, and the commands behind it are not', () => {
    const log = new Log()
    const old = log.send(idOf(1), 0n, 0, 5)
    const young = log.send(idOf(2), 0n, 1, 7)
    log.frame([step('TransferReserved', idOf(1)), step('TransferReserved', idOf(2))], 2)
    log.pending.giveUp(6)
    expect([old.how, young.how, log.pending.count]).toEqual(['unknown', undefined, 1])
    log.frame([step('TransferCompleted', idOf(1)), step('TransferCompleted', idOf(2))], 2)
    expect([old.how, young.how]).toEqual(['unknown', 'applied'])
    const again = log.send(idOf(1))
    log.frame([], 1)
    expect(again.how).toBe('applied again')
  })

  test('of which only the views know that it is under way is waited for, and found if it has just ended', () => {
    const log = new Log(new PendingCommands(new RecentEvents(0)))
    const told = log.send(idOf(1))
    log.frame([], 1)
    told.awaitEnd!(true)
    expect([told.how, log.pending.count]).toEqual([undefined, 1])
    log.frame([step('TransferCompleted', idOf(1))], 1)
    expect(told.how).toBe('applied again')
    const late = log.send(idOf(1))
    log.frame([], 1)
    late.awaitEnd?.(true)
    expect(late.how).toBe('applied again')
    log.pending.giveUp(Infinity)
    const over = log.send(idOf(2))
    log.frame([], 1)
    over.awaitEnd!(false)
    expect(over.how).toBe('unknown')
  })

  test('is settled once, by its own end, whatever ids share a key, and however many are given up', () => {
    const act = fc.record({
      id: fc.nat(5),
      what: fc.constantFrom('send', 'end', 'cancel', 'give up'),
      twin: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const log = new Log()
        // Twins have the same 32 bits that differ most.
        const idFor = (id: number, twin: boolean): Id => ({ ...idOf(id), high: idOf(id).high ^ (twin ? 1n << 20n : 0n) }) // prettier-ignore
        const waiting = new Map<string, Told[]>()
        const ended = new Map<string, string>()
        let now = 0
        for (const { id, what, twin } of acts) {
          const name = `${id} ${twin}`
          const own = waiting.get(name) ?? []
          if (what === 'send') {
            const told = log.send(idFor(id, twin), 0n, 0, ++now)
            const isFirst = !waiting.has(name)
            log.frame(isFirst ? [step('TransferReserved', idFor(id, twin))] : [], 1)
            expect(told.how).toBe(ended.has(name) ? `${ended.get(name)} again` : undefined)
            waiting.set(name, ended.has(name) ? own : [...own, told])
          } else if (what === 'give up') {
            log.pending.giveUp(now + 1)
            for (const list of waiting.values()) for (const told of list) expect(told.how).toBeDefined()
          } else if (waiting.has(name) && !ended.has(name)) {
            const how = what === 'end' ? 'applied' : 'transfer_timed_out'
            const kind = what === 'end' ? 'TransferCompleted' : 'TransferCancelled'
            log.frame([step(kind, idFor(id, twin), how === 'applied' ? {} : refusedFor(kind, how))], 1)
            own.forEach((told, index) =>
              expect([index === 0 ? how : `${how} again`, 'unknown']).toContain(told.how),
            )
            ended.set(name, how)
          }
        }
        log.pending.giveUp(Infinity)
        expect(log.pending.count).toBe(0)
        for (const list of waiting.values()) for (const { how } of list) expect(how).toBeDefined()
      }),
      { numRuns: 300 },
    )
  })

  test('keeps nobody long who looks for its row: ids of one key that wait are passed one by one', () => {
    const log = new Log()
    const many = 20_000
    const told: Told[] = []
    for (let index = 0; index < many; index++) told.push(log.send(idOf(1), 0n, index, index))
    const startMs = performance.now()
    log.frame([step('TransferReserved', idOf(1))], many)
    expect(log.pending.count).toBe(many)
    log.pending.giveUp(many / 2)
    log.frame([step('TransferCompleted', idOf(1))], 1)
    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(told[0]!.how).toBe('unknown')
    expect(told.at(-1)!.how).toBe('applied again')
    expect(idWords(idOf(1))).toHaveLength(ID_WORDS)
  })
})

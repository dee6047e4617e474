import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { encodeEvent } from '../../schemas/encode-event.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import { COMMAND_SLOT_BYTES, EVENT_ROW_BYTES } from '../../schemas/limits.ts'
import { CoreBrokenError, createCore, loadCore } from './core.ts'
import { Harness, NOW_MS, NOW_NS, accountIdOf, differingSections, idOf } from './harness.testing.ts'

const open = (number: number, more: Partial<Command> = {}): Command => ({
  kind: 'OpenAccount', id: idOf(number), debit: accountIdOf(number), system: true, currency: 'CZK', scale: 2, ...more,
}) // prettier-ignore
const transfer = (number: number, more: Partial<Command> = {}): Command => ({
  kind: 'Transfer', id: idOf(number), debit: accountIdOf(1), credit: accountIdOf(2), amount: 1n, ...more,
}) // prettier-ignore

describe('an event', () => {
  it('carries all that its command said, the time, and its accounts after it', () => {
    const harness = new Harness({ partition: 9 })
    harness.submit([open(1, { owner: 'Česká banka', memo: 'first' }), open(2)])
    const command = transfer(3, {
      amount: 12n, code: 4_000_000_000, reference: accountIdOf(77), memo: 'café', effectiveAtNs: 5n, receivedAtNs: 6n,
    }) // prettier-ignore
    const [event] = harness.submit([command])
    expect(event).toEqual({
      sequence: 3n, recordedAtNs: NOW_NS + 2n, effectiveAtNs: 5n, receivedAtNs: 6n, kind: 'TransferPosted',
      command: 'Transfer', refusal: undefined, transferId: command.id, relatedId: { high: 0n, low: 0n },
      reference: accountIdOf(77), fingerprint: fingerprintOf(encodeCommands([command])), currency: 'CZK', scale: 2,
      amount: 12n, expiresAtNs: 0n,
      debit: { number: 1, version: 2n, debitsPosted: 12n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n },
      credit: { number: 2, version: 2n, debitsPosted: 0n, debitsPending: 0n, creditsPosted: 12n, creditsPending: 0n },
      code: 4_000_000_000, partition: 9, linkIndex: 0, memo: 'café', owner: '', namedAccounts: '',
    } satisfies WalletEvent) // prettier-ignore
    const [first] = decodeEvents(harness.payloads[0]!)
    expect(first).toMatchObject({
      kind: 'AccountOpened', owner: 'Česká banka', memo: 'first', relatedId: accountIdOf(1), amount: -1n,
      effectiveAtNs: NOW_NS, debit: { number: 1, version: 1n }, credit: { number: 0 },
    }) // prettier-ignore
  })

  it('of an expiry names the hold twice and the deadline', () => {
    const harness = new Harness()
    harness.submit([open(1), open(2), { ...transfer(3, { timeoutNs: 50n }), kind: 'PlaceHold' }])
    const deadline = NOW_NS + 2n + 50n
    expect(harness.core.nextDeadlineNs()).toBe(deadline)
    harness.nowNs = deadline
    expect(harness.expire()).toMatchObject([
      {
        kind: 'HoldExpired', command: 'ExpireHold', transferId: idOf(3), relatedId: idOf(3), amount: 1n,
        recordedAtNs: deadline, expiresAtNs: deadline, currency: 'CZK', scale: 2,
        debit: { number: 1, version: 3n, debitsPending: 0n }, credit: { number: 2, version: 3n, creditsPending: 0n },
      },
    ]) // prettier-ignore
    expect(harness.core.nextDeadlineNs()).toBe(0n)
  })
})

describe('a call that has too little room', () => {
  it('stops before the command that might not fit, and the next call goes on', () => {
    const core = createCore({ partition: 0 })
    const commands = [open(1), open(2), transfer(3, { memo: 'm'.repeat(200) }), transfer(4)]
    const slots = encodeCommands(commands)
    const out = new Uint8Array(3 * EVENT_ROW_BYTES + 100)
    expect(core.decide(slots, 4, NOW_NS, out, 0, out.length)).toEqual({
      commands: 2, slots: 2, events: 2, bytes: 2 * EVENT_ROW_BYTES,
    }) // prettier-ignore
    const rest = slots.subarray(2 * COMMAND_SLOT_BYTES)
    const then = core.decide(rest, 2, NOW_NS, out, 8, out.length)
    expect(then).toMatchObject({ commands: 2, slots: 4, events: 2 })
    expect(decodeEvents(out.subarray(8, 8 + then.bytes))[0]?.memo).toBe('m'.repeat(200))
  })

  it('leaves a linked group whole, and a run too long for any group as well', () => {
    for (const count of [3, 65]) {
      const core = createCore({ partition: 0 })
      const out = new Uint8Array(100_000)
      core.decide(encodeCommands([open(1), open(2)]), 2, NOW_NS, out, 0, out.length)
      const before = core.save()
      const group = Array.from({ length: count }, (_, index) =>
        transfer(10 + index, { linked: index < count - 1 }),
      )
      const slots = encodeCommands([...group, transfer(9)])
      const nothing = { commands: 0, slots: 0, events: 0, bytes: 0 }
      expect(core.decide(slots, count + 1, NOW_NS, out, 0, count * EVENT_ROW_BYTES - 8)).toEqual(nothing)
      expect(differingSections(core.save(), before)).toEqual([])
      expect(core.decide(slots, count + 1, NOW_NS, out, 0, out.length)).toMatchObject({ events: count + 1 })
    }
  })

  it('writes nothing outside the room it is given', () => {
    const core = createCore({ partition: 0 })
    const out = new Uint8Array(4_096).fill(0xee)
    const { bytes } = core.decide(encodeCommands([open(1)]), 1, NOW_NS, out, 1_024, 2_048)
    expect(out.subarray(0, 1_024).every((byte) => byte === 0xee)).toBe(true)
    expect(out.subarray(1_024 + bytes).every((byte) => byte === 0xee)).toBe(true)
    expect(() => core.decide(encodeCommands([open(2)]), 1, NOW_NS, out, 0, 4_097)).toThrow(CoreBrokenError)
    expect(() => core.decide(encodeCommands([open(2)]), 1, NOW_NS, out, 4, 4_096)).toThrow(CoreBrokenError)
  })
})

describe('what no door lets pass', () => {
  it('stops the core: unknown kinds, missing slots, texts cut off', () => {
    const decide = (slots: Uint8Array, count: number): unknown =>
      createCore({ partition: 0 }).decide(slots, count, NOW_NS, new Uint8Array(8_192), 0, 8_192)
    for (const kind of [0, 9, 11, 255]) {
      const slots = encodeCommands([transfer(1)])
      slots[0] = kind
      expect(() => decide(slots, 1)).toThrow(CoreBrokenError)
      slots[1] = 1
      expect(() => decide(slots, 1)).toThrow(CoreBrokenError)
    }
    expect(() => decide(encodeCommands([transfer(1)]), 2)).toThrow(CoreBrokenError)
    const cut = encodeCommands([transfer(1, { memo: 'memo' })]).subarray(0, COMMAND_SLOT_BYTES)
    expect(() => decide(cut, 1)).toThrow(CoreBrokenError)
  })
})

describe('a replay', () => {
  const rowsOf = (): { events: WalletEvent[]; core: () => ReturnType<typeof createCore> } => {
    const harness = new Harness()
    const events = harness.submit([open(1), open(2), transfer(3), transfer(4)])
    const payload = harness.payloads.map((bytes) => bytes.slice(0, 3 * EVENT_ROW_BYTES))[0]!
    return {
      events,
      core: () => {
        const core = createCore({ partition: 0 })
        core.apply(payload)
        return core
      },
    }
  }

  it('takes the one event that continues the state', () => {
    const { events, core } = rowsOf()
    const continued = core()
    continued.apply(encodeEvent(events[3]!))
    expect(continued.sequence()).toBe(4n)
    expect(continued.account(2)?.creditsPosted).toBe(2n)
  })

  it.each<[string, (event: WalletEvent) => WalletEvent]>([
    ['an event again', (event) => ({ ...event, sequence: 3n })],
    ['a gap', (event) => ({ ...event, sequence: 5n })],
    ['a time that is not later', (event) => ({ ...event, recordedAtNs: NOW_NS + 2n })],
    ['another partition', (event) => ({ ...event, partition: 1 })],
    ['a version left out', (event) => ({ ...event, debit: { ...event.debit, version: 4n } })],
    ['a version repeated', (event) => ({ ...event, credit: { ...event.credit, version: 2n } })],
    ['an account that was never opened', (event) => ({ ...event, credit: { ...event.credit, number: 3 } })],
    ['the end of a hold that is not open', (event) => ({ ...event, kind: 'HoldVoided' })],
    ['an account number that is not the next', (event) => ({ ...event, kind: 'AccountOpened' })],
  ])('stops at %s', (_what, change) => {
    const { events, core } = rowsOf()
    expect(() => core().apply(encodeEvent(change(events[3]!)))).toThrow(CoreBrokenError)
  })

  it('stops at a row that is cut off', () => {
    const { events, core } = rowsOf()
    const row = encodeEvent(events[3]!)
    expect(() => core().apply(row.subarray(0, row.length - 8))).toThrow(CoreBrokenError)
    expect(() => core().apply(row.subarray(0, row.length - 1))).toThrow(CoreBrokenError)
  })
})

describe('a snapshot', () => {
  it('of another partition, with other bounds of memory, or not whole, is not loaded', () => {
    const harness = new Harness()
    harness.submit([open(1), open(2), transfer(3)])
    const sections = harness.core.save()
    expect(loadCore({ partition: 0 }, sections).accounts()).toBe(2)
    expect(() => loadCore({ partition: 1 }, sections)).toThrow(RangeError)
    expect(() => loadCore({ partition: 0, idsPerGeneration: 5 }, sections)).toThrow(RangeError)
    for (const { name } of sections) {
      const missing = sections.filter((section) => section.name !== name)
      expect(() => loadCore({ partition: 0 }, missing)).toThrow(RangeError)
      const longer = sections.map((section) =>
        section.name === name ? { name, bytes: new Uint8Array(section.bytes.length + 48) } : section,
      )
      expect(() => loadCore({ partition: 0 }, longer)).toThrow(RangeError)
    }
  })

  it('is a copy: the core goes on without changing it', () => {
    const harness = new Harness()
    harness.submit([open(1), open(2), { ...transfer(3), kind: 'PlaceHold' }])
    const sections = harness.core.save()
    const copies = sections.map(({ name, bytes }) => ({ name, bytes: bytes.slice() }))
    harness.submit([transfer(4), { kind: 'VoidHold', id: idOf(5), related: idOf(3) }])
    expect(differingSections(sections, copies)).toEqual([])
  })
})

describe('room', () => {
  it('grows with accounts and ids, and nobody is lost', () => {
    const harness = new Harness({ accountsInitial: 1 }, 4_000_000)
    const numbers = Array.from({ length: 6_000 }, (_, index) => index + 1)
    const opened = harness.submit(numbers.map((number) => open(number)))
    expect(opened.map((event) => event.debit.number)).toEqual(numbers)
    for (const number of numbers) expect(harness.core.lookup(accountIdOf(number))).toBe(number)
    expect(harness.core.lookup(accountIdOf(6_001))).toBe(undefined)
    expect(harness.submit(numbers.map((number) => open(number)))).toEqual([])
    const holds = numbers.slice(1).map((number) => ({
      ...transfer(number, { id: idOf(number, NOW_MS + 1), credit: accountIdOf(number) }),
      kind: 'PlaceHold' as const,
    }))
    expect(harness.submit(holds)).toHaveLength(5_999)
    expect(harness.core.holdsOpen()).toBe(5_999)
    expect(
      differingSections(loadCore({ partition: 0 }, harness.core.save()).save(), harness.core.save()),
    ).toEqual([])
  })
})

it('the core imports nothing but the schemas and itself, and knows no clock, chance or promise', () => {
  const folder = new URL('.', import.meta.url)
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  expect(sources.length).toBeGreaterThan(30)
  for (const name of sources) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue
    const text = readFileSync(new URL(name, folder), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    for (const [, from] of text.matchAll(/from '([^']+)'/g))
      expect(new URL(from!, new URL(name, folder)).href.replace(folder.href, '')).toMatch(
        new RegExp(`^(?!file:)|^${new URL('../../schemas/', folder).href}`),
      )
    expect(text).not.toMatch(
      /\b(Date|Math\.random|performance|process|crypto|Promise|async|await|setTimeout)\b/,
    )
  }
})

import { describe, expect, test } from 'vitest'
import { decodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { sameBytes } from '../schemas/frames.ts'
import { formatId, isUuidV7, uuidV7TimeMs } from '../schemas/ids.ts'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { checkCommands } from '../schemas/check-commands.ts'
import { CommandGenerator, HOT_DESTINATION, HOT_SOURCE, writeAccountId } from './generator.ts'
import { WORKLOADS, workloadOf } from './workloads.ts'

const NOW_MS = 1_780_000_000_123
const BATCH = 1_000
const BATCHES = 40

interface Generated {
  readonly generator: CommandGenerator
  readonly slots: Uint8Array
}

function generate(name: string, seed = 1): Generated {
  const generator = new CommandGenerator(workloadOf(name), { accounts: 10_000, seed })
  const slots = new Uint8Array(BATCHES * BATCH * COMMAND_SLOT_BYTES).fill(0xff)
  for (let batch = 0; batch < BATCHES; batch++) {
    const part = slots.subarray(batch * BATCH * COMMAND_SLOT_BYTES, (batch + 1) * BATCH * COMMAND_SLOT_BYTES)
    generator.fill(part, BATCH, NOW_MS + batch)
    expect(checkCommands(part, BATCH)).toBeUndefined()
  }
  return { generator, slots }
}

function idOfAccount(number: number): string {
  const words = new Int32Array(4)
  writeAccountId(words, 0, number)
  const view = new BigUint64Array(words.buffer)
  return formatId({ high: view[0]!, low: view[1]! })
}

function share(commands: readonly Command[], isMeant: (command: Command) => boolean): number {
  return commands.filter(isMeant).length / commands.length
}

describe.each(WORKLOADS)('the workload $name', (workload) => {
  const { name } = workload
  const { generator, slots } = generate(name)
  const commands = decodeCommands(slots)

  test('is made again from its seed, byte for byte', () => {
    expect(sameBytes(generate(name).slots, slots)).toBe(true)
    expect(sameBytes(generate(name, 2).slots, slots)).toBe(false)
  })

  test('keeps to the shares that it declares, and counts them', () => {
    const made = generator.made()
    const seen = new Set<string>()
    let repeated = 0
    for (const { id } of commands) {
      const text = formatId(id)
      if (seen.has(text)) repeated += 1
      seen.add(text)
    }
    expect(made).toMatchObject({ commands: commands.length, repeated })
    const [hotSource, hotDestination] = [HOT_SOURCE, HOT_DESTINATION].map(idOfAccount)
    const source = share(commands, ({ debit }) => debit !== undefined && formatId(debit) === hotSource)
    const destination = share(
      commands,
      ({ credit }) => credit !== undefined && formatId(credit) === hotDestination,
    )
    expect(source).toBeCloseTo(workload.hotSourceShare, 1)
    expect(destination).toBeCloseTo(workload.hotDestinationShare, 1)
    expect(made.hot / made.commands).toBeCloseTo(
      Math.max(workload.hotSourceShare, workload.hotDestinationShare),
      1,
    )
    // Repeating begins when there is something to repeat: after 16,384 of the 40,000.
    const repeatable = (BATCH * BATCHES - 16_384) / (BATCH * BATCHES)
    expect(repeated / commands.length).toBeCloseTo(workload.repeatedShare * repeatable, 2)
    expect(workload.repeatedShare > 0).toBe(repeated > 0)
    expect(share(commands, ({ linked }) => linked === true)).toBeCloseTo(1 - 1 / workload.linkedTransfers, 2)
    const ends = share(commands, ({ kind }) => kind === 'PostHold' || kind === 'VoidHold')
    expect(ends).toBeCloseTo(workload.holds ? 0.5 : 0, 1)
    expect(made.checked).toBe(made.commands - made.repeated - Math.round(ends * made.commands))
  })

  test('numbers its commands, and its ids are of now', () => {
    const serials = new Set(commands.map(({ code }) => code!))
    expect(Math.max(...serials)).toBe(serials.size - 1)
    const isOfNow = (timeMs: number): boolean => timeMs >= NOW_MS && timeMs < NOW_MS + BATCHES
    const strange = commands.filter(({ id }) => !isUuidV7(id) || !isOfNow(uuidV7TimeMs(id)))
    expect(strange).toEqual([])
  })
})

test('a batch never leaves a linked group open', () => {
  const generator = new CommandGenerator(workloadOf('linked'), { accounts: 100, seed: 1 })
  const slots = new Uint8Array(10 * COMMAND_SLOT_BYTES)
  generator.fill(slots, 10, NOW_MS)
  expect(decodeCommands(slots).map(({ linked }) => linked)).toEqual(
    [true, true, true, false, true, true, true, false, true, false],
  ) // prettier-ignore
})

test('transfers are between two different accounts, all of which were opened', () => {
  const accounts = 16
  const generator = new CommandGenerator(workloadOf('hot-pair'), { accounts, seed: 1 })
  const slots = new Uint8Array(2_000 * COMMAND_SLOT_BYTES)
  generator.fillOpenings(slots, 1, accounts, NOW_MS)
  expect(checkCommands(slots.subarray(0, accounts * COMMAND_SLOT_BYTES), accounts)).toBeUndefined()
  const opened = decodeCommands(slots.subarray(0, accounts * COMMAND_SLOT_BYTES))
  const ids = new Set(opened.map(({ debit }) => formatId(debit!)))
  expect(ids.size).toBe(accounts)
  expect(opened.every(({ amount, system }) => amount! >= 0n && system === false)).toBe(true)
  generator.fill(slots, 2_000, NOW_MS)
  const seen = new Set<string>()
  for (const { debit, credit } of decodeCommands(slots)) {
    expect(formatId(debit!)).not.toBe(formatId(credit!))
    seen.add(formatId(debit!)).add(formatId(credit!))
  }
  expect(seen).toEqual(ids)
})

test('without limits every account may overdraw as far as it wants, and nothing is checked', () => {
  const generator = new CommandGenerator(workloadOf('spread'), { accounts: 300, seed: 1, unlimited: true })
  const slots = new Uint8Array(300 * COMMAND_SLOT_BYTES)
  generator.fillOpenings(slots, 1, 300, NOW_MS)
  expect(decodeCommands(slots).every(({ system }) => system === true)).toBe(true)
  generator.fill(slots, 300, NOW_MS)
  expect(generator.made().checked).toBe(0)
})

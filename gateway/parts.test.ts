import fc from 'fast-check'
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { NO_SIDE, sealed } from '../projectors/testing.ts'
import type { WalletEvent } from '../schemas/events.ts'
import type { Frame } from '../schemas/frames.ts'
import { makeUuidV7, NIL_ID, type Id } from '../schemas/ids.ts'
import { createFileImportRegistry } from './import-registry.ts'
import { PendingCommands } from './pending.ts'
import { SharedReads } from './read-sharing.ts'
import { RecentEvents } from './recent-events.ts'
import { ID_WORDS, idWords, putIdWords } from './rows.ts'
import { BoundedQueue, END, pullStream } from './streams.ts'
import { formatTime, parseTime } from './times.ts'
import { decodeCursor, decodePosition, encodeCursor, encodePosition } from './tokens.ts'
import { READERS, type ValueType } from './values.ts'

function idOf(index: number): Id {
  return makeUuidV7(1_700_000_000_000, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, index >> 8, index & 255]))
}

function eventOf(id: Id, command: WalletEvent['command'] = 'Transfer', memo = ''): WalletEvent {
  return {
    sequence: 1n, recordedAtNs: 1n, effectiveAtNs: 1n, receivedAtNs: 1n,
    kind: command === 'ExpireHold' ? 'HoldExpired' : 'TransferPosted', command, refusal: undefined,
    transferId: id, relatedId: NIL_ID, reference: NIL_ID, fingerprint: 0n, currency: 'EUR', scale: 2, amount: 1n,
    expiresAtNs: 0n, debit: NO_SIDE, credit: NO_SIDE, code: 0, partition: 0, linkIndex: 0, memo, owner: '', namedAccounts: '',
  } // prettier-ignore
}

/** A frame with these events that consumes commands up to an offset. */
function frameOf(events: readonly WalletEvent[], nextCommandOffset: bigint): Frame {
  return { ...sealed(0, events, 1n, new Uint8Array(32)), nextCommandOffset }
}

describe('pending commands', () => {
  test('each is settled once, in the frame that consumes it, by the event of its id or as silent, whatever stands between', () => {
    const command = fc.record({
      ours: fc.boolean(),
      repeat: fc.boolean(),
      timerBefore: fc.boolean(),
      text: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 40 }),
        fc.array(fc.nat(40), { maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        (commands, cuts, perOffer) => {
          const pending = new PendingCommands()
          const settled = new Map<number, string>()
          // Ours are offered in runs; other doors' commands take offsets between them.
          for (let from = 0; from < commands.length;) {
            if (!commands[from]!.ours) {
              from++
              continue
            }
            let to = from
            while (to < commands.length && commands[to]!.ours && to - from < perOffer) to++
            const first = from
            const ids = new Int32Array((to - from) * ID_WORDS)
            for (let index = from; index < to; index++)
              putIdWords(ids, (index - from) * ID_WORDS, idOf(index))
            const settle = (index: number, how: string): void => {
              expect(settled.has(first + index)).toBe(false)
              settled.set(first + index, how)
            }
            pending.add({
            count: to - from, ids, offeredAtMs: 0,
            onEvent: (index, rows, byte) => settle(index, `event ${rows.isTransfer(byte, ids, index * ID_WORDS)}`),
            onEarlier: (index) => settle(index, 'earlier'),
            onSilent: (index) => settle(index, 'silent'),
            onUnknown: (index) => settle(index, 'unknown'),
          }, BigInt(from)) // prettier-ignore
            from = to
          }
          let done = 0
          for (const end of [
            ...cuts.filter((cut) => cut < commands.length).sort((a, b) => a - b),
            commands.length,
          ]) {
            const events = commands
              .slice(done, end)
              .flatMap(({ repeat, timerBefore, text }, index) => [
                ...(timerBefore ? [eventOf(idOf(done + index), 'ExpireHold')] : []),
                ...(repeat ? [] : [eventOf(idOf(done + index), 'Transfer', text ? 'a memo' : '')]),
              ])
            pending.settle(frameOf(events, BigInt(end)))
            for (let index = 0; index < commands.length; index++)
              expect(settled.has(index)).toBe(index < end && commands[index]!.ours)
            done = end
          }
          for (const [index, how] of settled)
            expect(how).toBe(commands[index]!.repeat ? 'silent' : 'event true')
          expect(pending.count).toBe(0)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('what is called certain is the outcome of that very command, whoever else used its id, and whatever was given up', () => {
    const command = fc.record({
      ours: fc.boolean(),
      id: fc.nat(6),
      givenUp: fc.boolean(),
      cutBehind: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 40 }),
        fc.constantFrom(0, 1e6),
        (commands, generationBytes) => {
          const pending = new PendingCommands(new RecentEvents(generationBytes))
          const firstOf = new Map<number, number>()
          commands.forEach(({ id }, index) => firstOf.has(id) || firstOf.set(id, index))
          const told = new Map<number, string>()
          commands.forEach(({ ours, id, givenUp }, index) => {
            if (!ours) return
            const ids = idWords(idOf(id))
            const tell = (how: string): void => {
              expect(told.has(index)).toBe(false)
              told.set(index, how)
            }
            const first = firstOf.get(id)!
            pending.add(
              {
                count: 1,
                ids,
                // The oldest are given up, from wherever in the middle the time is.
                offeredAtMs: givenUp ? index : 1_000 + index,
                onEvent: (_, rows, byte, isCertain) => {
                  expect(rows.sequence(byte)).toBe(BigInt(first))
                  if (isCertain) expect(first).toBe(index)
                  tell(isCertain ? 'certain' : 'uncertain')
                },
                onEarlier: (_, rows, byte) => {
                  expect(rows.sequence(byte)).toBe(BigInt(first))
                  expect(first).not.toBe(index)
                  tell('earlier')
                },
                onSilent: () => {
                  expect(first).not.toBe(index)
                  tell('silent')
                },
                onUnknown: () => tell('unknown'),
              },
              BigInt(index),
            )
          })
          pending.settle(frameOf([], 0n))
          pending.giveUp(1_000)
          let done = 0
          commands.forEach(({ cutBehind }, index) => {
            if (!cutBehind && index < commands.length - 1) return
            const events = commands
              .slice(done, index + 1)
              .flatMap(({ id }, at) =>
                firstOf.get(id) === done + at ? [{ ...eventOf(idOf(id)), sequence: BigInt(done + at) }] : [],
              )
            pending.settle(frameOf(events, BigInt(index + 1)))
            done = index + 1
          })
          expect([...told.keys()].sort((a, b) => a - b)).toEqual(
            commands.flatMap(({ ours }, index) => (ours ? [index] : [])),
          )
          if (commands.every(({ ours, givenUp }) => ours && !givenUp))
            for (const [index, how] of told)
              if (firstOf.get(commands[index]!.id) === index) expect(how).toBe('certain')
          if (generationBytes > 0) expect([...told.values()]).not.toContain('silent')
        },
      ),
      { numRuns: 300 },
    )
  })

  test('the same id twice in one frame: the first has the event, the second is told that it came earlier', () => {
    const pending = new PendingCommands()
    const told: string[] = []
    const ids = new Int32Array(ID_WORDS)
    putIdWords(ids, 0, idOf(7))
    for (const offset of [0n, 1n])
      pending.add({
        count: 1, ids, offeredAtMs: 0,
        onEvent: () => told.push(`event ${offset}`), onEarlier: () => told.push(`earlier ${offset}`), onSilent: () => told.push('silent'), onUnknown: () => told.push('unknown'),
      }, offset) // prettier-ignore
    pending.settle(frameOf([eventOf(idOf(7))], 2n))
    expect(told).toEqual(['event 0', 'earlier 1'])
  })

  test('what is given up is told as unknown once, and a late frame settles it no more', () => {
    const pending = new PendingCommands()
    const told: string[] = []
    const ids = new Int32Array(ID_WORDS)
    pending.add({
      count: 1, ids, offeredAtMs: 5,
      onEvent: () => told.push('event'), onEarlier: () => told.push('earlier'), onSilent: () => told.push('silent'), onUnknown: () => told.push('unknown'),
    }, 0n) // prettier-ignore
    pending.giveUp(5)
    expect(told).toEqual([])
    pending.giveUp(6)
    pending.settle(frameOf([], 1n))
    expect(told).toEqual(['unknown'])
    expect(pending.count).toBe(0)
  })
})

describe('streams', () => {
  test('return lets go at once, while a pull is still under way', async () => {
    let released = 0
    const stream = pullStream(
      () => new Promise<number>(() => undefined),
      () => released++,
    )
    const next = stream.next()
    expect(await stream.return(undefined)).toEqual({ value: undefined, done: true })
    expect(await next).toEqual({ value: undefined, done: true })
    expect(released).toBe(1)
    expect(await stream.next()).toEqual({ value: undefined, done: true })
  })

  test('items come in order to calls that overlap; an end and an error each release once', async () => {
    let count = 0
    let released = 0
    const stream = pullStream(
      async () => (count < 3 ? count++ : END),
      () => released++,
    )
    const taken = await Promise.all([
      stream.next(),
      stream.next(),
      stream.next(),
      stream.next(),
      stream.next(),
    ])
    expect(taken.map(({ value }) => value)).toEqual([0, 1, 2, undefined, undefined])
    expect(released).toBe(1)
    const broken = pullStream(
      () => Promise.reject(new Error('no')),
      () => released++,
    )
    await expect(broken.next()).rejects.toThrow('no')
    expect(released).toBe(2)
  })

  test('a queue at its bound hands out what it has, then says that it lags, and takes nothing more', async () => {
    const queue = new BoundedQueue<number>(2)
    for (const item of [1, 2, 3]) queue.push(item)
    expect(await queue.take()).toEqual({ kind: 'item', item: 1 })
    queue.push(4)
    expect(await queue.take()).toEqual({ kind: 'item', item: 2 })
    expect(await queue.take()).toEqual({ kind: 'lagged' })
    queue.restart()
    const waiting = queue.take()
    queue.push(5)
    expect(await waiting).toEqual({ kind: 'item', item: 5 })
    const last = queue.take()
    queue.close()
    expect(await last).toEqual({ kind: 'closed' })
  })
})

describe('shared reads', () => {
  test('what arrives while queries run shares the next; each asker gets its own key, at its own point', async () => {
    const loads: [string, readonly string[]][] = []
    const open: (() => void)[] = []
    const reads = new SharedReads<string, string>(
      async (point, keys) => {
        loads.push([point, keys])
        await new Promise<void>((resolve) => open.push(resolve))
        return new Map(keys.filter((key) => key !== 'none').map((key) => [key, `${key}@${point}`]))
      },
      3,
      1,
    )
    const first = reads.read('p', 'a')
    await Promise.resolve()
    const rest = [
      reads.read('p', 'b'),
      reads.read('p', 'b'),
      reads.read('p', 'none'),
      reads.read('p', 'c'),
      reads.read('p', 'd'),
      reads.read('q', 'b'),
    ]
    for (let turn = 0; turn < 4; turn++) {
      await expect.poll(() => open.length).toBe(turn + 1)
      open[turn]!()
    }
    expect(await first).toBe('a@p')
    expect(await Promise.all(rest)).toEqual(['b@p', 'b@p', undefined, 'c@p', 'd@p', 'b@q'])
    expect(loads).toEqual([
      ['p', ['a']],
      ['p', ['b', 'none', 'c']],
      ['p', ['d']],
      ['q', ['b']],
    ])
  })

  test('a query that fails fails those who share it, and nobody else', async () => {
    let fails = true
    const reads = new SharedReads<string, number>(async (_point, keys) => {
      if (fails) throw new Error('down')
      return new Map(keys.map((key) => [key, 1]))
    }, 10)
    await expect(reads.read('p', 'a')).rejects.toThrow('down')
    fails = false
    expect(await reads.read('p', 'a')).toBe(1)
  })
})

describe('values', () => {
  test('times come back as they were, to the nanosecond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -2_208_988_800_000_000_000n, max: 9_000_000_000_000_000_000n }), (ns) => {
        expect(parseTime(formatTime(ns))).toBe(ns)
      }),
    )
    expect(parseTime('2026-01-01T02:00:00.5+02:00')).toBe(parseTime('2026-01-01T00:00:00.500Z'))
    for (const bad of [
      '2026-13-01T00:00:00Z',
      '2026-02-29T00:00:00Z',
      '2026-01-01',
      '2026-01-01T24:00:00Z',
      '1899-12-31T00:00:00Z',
      '2026-01-01T00:00:00.1234567890Z',
    ])
      expect(parseTime(bad)).toBeUndefined()
  })

  test('positions and cursors come back as they were; nothing else is one', () => {
    const position = new Map([
      [0, 42n],
      [3, 7n],
    ])
    expect(decodePosition(encodePosition(position))).toEqual(position)
    expect(decodeCursor(encodeCursor({ partition: 2, sequence: 9n }))).toEqual({ partition: 2, sequence: 9n })
    expect(decodeCursor(encodePosition(position))).toBeUndefined()
    fc.assert(
      fc.property(
        fc.string(),
        (text) => decodePosition(text) === undefined && decodeCursor(text) === undefined,
      ),
    )
  })

  test('no reader throws, whatever it gets, and a wrong value is told in one short line', () => {
    fc.assert(
      fc.property(fc.constantFrom(...(Object.keys(READERS) as ValueType[])), fc.anything(), (type, raw) => {
        const reading = READERS[type](raw)
        if ('wrong' in reading) expect(reading.wrong.length).toBeLessThan(500)
      }),
    )
  })
})

describe('import registry', () => {
  test('base times outlive the process; a line that was cut off is as if it had never been', async () => {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'imports-'))
    const registry = createFileImportRegistry(path.join(dir, 'imports'))
    expect(await registry.baseTimes('a', 0)).toEqual([])
    await Promise.all([
      registry.begin('a', 0, 5),
      registry.begin('a', 0, 6),
      registry.begin('a', 1, 7),
      registry.begin('b', 0, 8),
    ])
    expect(await registry.baseTimes('a', 0)).toEqual([5, 6])
    for (const file of await readdir(path.join(dir, 'imports')))
      await appendFile(path.join(dir, 'imports', file), '{"import":"a","chu')
    const again = createFileImportRegistry(path.join(dir, 'imports'))
    expect(await again.baseTimes('a', 0)).toEqual([5, 6])
    await again.begin('a', 0, 9)
    expect(await createFileImportRegistry(path.join(dir, 'imports')).baseTimes('a', 0)).toEqual([5, 6, 9])
    await rm(dir, { recursive: true })
  })
})

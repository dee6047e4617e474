import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SharedReads } from './read-sharing.ts'
import { BoundedQueue, END, pullStream } from '../live/streams.ts'
import { formatTime, parseTime } from '../positions/times.ts'
import { READERS, type ValueType } from '../commands/values.ts'

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

  test('no reader throws, whatever it gets, and a wrong value is told in one short line', () => {
    fc.assert(
      fc.property(fc.constantFrom(...(Object.keys(READERS) as ValueType[])), fc.anything(), (type, raw) => {
        const reading = READERS[type](raw)
        if ('wrong' in reading) expect(reading.wrong.length).toBeLessThan(500)
      }),
    )
  })
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  formatId,
  isNilId,
  isUuidV7,
  makeUuidV7,
  makeUuidV8,
  NIL_ID,
  parseId,
  sameId,
  uuidV7TimeMs,
} from './ids.ts'
import { partitionOf } from './partitions.ts'

const anyId = fc.record({ high: fc.bigInt(0n, 2n ** 64n - 1n), low: fc.bigInt(0n, 2n ** 64n - 1n) })

it('an id is read as it was written, in either case', () => {
  fc.assert(
    fc.property(anyId, (id) => {
      expect(parseId(formatId(id))).toEqual(id)
      expect(parseId(formatId(id).toUpperCase())).toEqual(id)
      expect(formatId(id)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    }),
  )
  expect(formatId({ high: 0x0123_4567_89ab_cdefn, low: 0x0011_2233_4455_6677n })).toBe(
    '01234567-89ab-cdef-0011-223344556677',
  )
})

it('nothing but the canonical form is an id', () => {
  const good = '018bcfe5-6800-7abc-8123-456789abcdef'
  expect(parseId(good)).toBeDefined()
  for (const bad of [
    '',
    ' ',
    good.slice(1),
    `${good}0`,
    good.replaceAll('-', ''),
    `{${good}}`,
    `urn:uuid:${good}`,
    good.replace('0', 'g'),
    good.replace('-', '_'),
    ` ${good.slice(1)}`,
    `${good.slice(0, -1)}\n`,
    good.replace('0', '０'),
    '0x'.padEnd(36, '0'),
  ])
    // prettier-ignore
    expect(parseId(bad), JSON.stringify(bad)).toBeUndefined()
})

it('any text is an id or refused, never an error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const id = parseId(text)
      if (id !== undefined) expect(formatId(id)).toBe(text.toLowerCase())
    }),
  )
})

it('a UUIDv7 carries its time and its 74 bits', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 48 - 1), fc.uint8Array({ minLength: 10, maxLength: 16 }), (timeMs, bits) => {
      const id = makeUuidV7(timeMs, bits)
      expect(isUuidV7(id)).toBe(true)
      expect(uuidV7TimeMs(id)).toBe(timeMs)
      const last = bits.slice(0, 10)
      last[9]! ^= 1
      expect(sameId(makeUuidV7(timeMs, last), id)).toBe(false)
    }),
  )
})

it('later UUIDv7s are greater', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 48 - 2),
      fc.uint8Array({ minLength: 10, maxLength: 10 }),
      fc.uint8Array({ minLength: 10, maxLength: 10 }),
      (timeMs, left, right) => {
        expect(makeUuidV7(timeMs + 1, left).high > makeUuidV7(timeMs, right).high).toBe(true)
      },
    ),
  )
})

it('only version 7 of RFC 9562’s variant is a UUIDv7', () => {
  // The example of RFC 9562, appendix A.6.
  const example = parseId('017F22E2-79B0-7CC3-98C4-DC0C0C07398F')!
  expect(isUuidV7(example)).toBe(true)
  expect(uuidV7TimeMs(example)).toBe(Date.parse('2022-02-22T14:22:22-05:00'))
  for (const other of ['017f22e2-79b0-6cc3-98c4-dc0c0c07398f', '017f22e2-79b0-7cc3-18c4-dc0c0c07398f'])
    expect(isUuidV7(parseId(other)!)).toBe(false)
  expect(isUuidV7(makeUuidV8(new Uint8Array(16).fill(0xff)))).toBe(false)
  expect(formatId(makeUuidV8(new Uint8Array(16).fill(0xff)))).toBe('ffffffff-ffff-8fff-bfff-ffffffffffff')
})

it('the nil id is none', () => {
  expect(isNilId(NIL_ID)).toBe(true)
  expect(isNilId({ high: 0n, low: 1n })).toBe(false)
  expect(isNilId({ high: 1n, low: 0n })).toBe(false)
})

it('an account’s partition is what it always was: a deployment’s accounts would be lost otherwise', () => {
  const ids = [
    '018bcfe5-6800-7abc-8123-456789abcdef',
    '00000000-0000-0000-0000-000000000001',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  ]
  expect(
    ids.map((text) => [1, 2, 16, 1000].map((partitions) => partitionOf(parseId(text)!, partitions))),
  ).toEqual([
    [0, 0, 0, 200],
    [0, 0, 12, 604],
    [0, 0, 0, 248],
  ])
})

it('ids that differ in few bits spread over all partitions', () => {
  const counts = new Array<number>(16).fill(0)
  for (let low = 0n; low < 16_000n; low++) counts[partitionOf({ high: 7n, low }, 16)]!++
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CROSSING_TEXT_BYTES,
  CROSSING_WORD,
  CROSSING_WORDS,
  crossingTextAt,
  formatCrossing,
  isTransitAccountAt,
  isTransitAccountId,
  parseCrossing,
  readCrossing,
  transitAccountId,
  writeCrossing,
} from './crossing.ts'
import { ROW_TEXT_BYTE, writeRowTexts } from './events.ts'
import { putIdWords } from './frame-rows.ts'
import { CHANNELS_MAX, MEMO_BYTES_MAX, PARTITIONS_MAX } from './limits.ts'
import { partitionOf, partitionOfWords } from './partitions.ts'

const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
const id = fc.record({ high: u64, low: u64 })
const text = fc.record({
  debit: id,
  credit: id,
  source: fc.integer({ min: 0, max: PARTITIONS_MAX - 1 }),
  channel: fc.integer({ min: 1, max: CHANNELS_MAX }),
  turn: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  answers: u64,
})

describe('the text of a crossing', () => {
  it('is the same whether strings or bytes are made of it, and comes back from both', () => {
    fc.assert(
      fc.property(text, fc.nat(MEMO_BYTES_MAX), (crossing, memoBytes) => {
        const words = new Int32Array(CROSSING_WORDS)
        putIdWords(words, CROSSING_WORD.debit, crossing.debit)
        putIdWords(words, CROSSING_WORD.credit, crossing.credit)
        words.set([crossing.source, crossing.channel, crossing.turn | 0], CROSSING_WORD.source)
        words[CROSSING_WORD.answers] = Number(BigInt.asIntN(32, crossing.answers))
        words[CROSSING_WORD.answers + 1] = Number(BigInt.asIntN(32, crossing.answers >> 32n))
        const bytes = new Uint8Array(CROSSING_TEXT_BYTES + 2)
        writeCrossing(bytes, 1, words)
        const written = String.fromCharCode(...bytes.subarray(1, -1))
        expect(written).toBe(formatCrossing(crossing))
        expect([bytes[0], bytes.at(-1)]).toEqual([0, 0])
        expect(parseCrossing(written)).toEqual(crossing)
        const read = new Int32Array(CROSSING_WORDS)
        readCrossing(bytes, 1, read)
        expect(read).toEqual(words)
        // Where a row has it, whatever its memo.
        const row = new Uint8Array(1_024)
        const named = bytes.subarray(1, -1)
        const end = writeRowTexts(row, 8 + ROW_TEXT_BYTE, new Uint8Array(memoBytes).fill(107), new Uint8Array(), named) // prettier-ignore
        const at = crossingTextAt(row.subarray(0, end), 8)
        expect(row.subarray(at, at + CROSSING_TEXT_BYTES)).toEqual(named)
      }),
      { numRuns: 500 },
    )
  })

  it('is the Base64 of source, channel, turn, answers and both account ids', () => {
    const crossing = {
      source: 0x3ff,
      channel: 0x12345,
      turn: 0xfedcba98,
      answers: 0x0123456789abcdefn,
      debit: { high: 0x0199_0000_1111_7222n, low: 0x8333_4444_5555_6666n },
      credit: { high: 0xfffe_fdfc_fbfa_f9f8n, low: 0x8000_0000_0000_0001n },
    }
    const hex =
      '3ff12345fedcba980123456789abcdef019900001111722283334444555566' + '66fffefdfcfbfaf9f88000000000000001'
    expect(formatCrossing(crossing)).toBe(Buffer.from(hex, 'hex').toString('base64'))
    for (const other of [
      '',
      ',',
      formatCrossing(crossing).replace(/.$/, ','),
      `${formatCrossing(crossing)}A`,
    ])
      expect(parseCrossing(other)).toBeUndefined()
  })

  it('is not found in a row that has another or none', () => {
    for (const [owner, named] of [
      [0, 0],
      [0, 73],
      [5, CROSSING_TEXT_BYTES],
      [CROSSING_TEXT_BYTES, 0],
    ] as const) {
      const row = new Uint8Array(1_024)
      writeRowTexts(row, ROW_TEXT_BYTE, new Uint8Array(0), new Uint8Array(owner).fill(1), new Uint8Array(named)) // prettier-ignore
      expect(crossingTextAt(row, 0)).toBe(-1)
    }
  })
})

describe('the partition of an account', () => {
  it('is the same by words of 32 bits as by big integers', () => {
    fc.assert(
      fc.property(id, fc.integer({ min: 1, max: PARTITIONS_MAX }), fc.nat(3), (account, partitions, at) => {
        const words = new Int32Array(at + 4)
        putIdWords(words, at, account)
        expect(partitionOfWords(words, at, partitions)).toBe(partitionOf(account, partitions))
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('a transit account', () => {
  it('lives in its own partition, and is known by its id as halves and as words', () => {
    const words = new Int32Array(4)
    for (const [currency, partition, partitions] of [['CZK', 0, 1], ['USDC', 6, 7], ['Z9999999', 1_023, 1_024]] as const) {
      const transit = transitAccountId(currency, partition, partitions)
      expect(partitionOf(transit, partitions)).toBe(partition)
      putIdWords(words, 0, transit)
      expect([isTransitAccountId(transit), isTransitAccountAt(words, 0)]).toEqual([true, true])
    } // prettier-ignore
    fc.assert(
      fc.property(id, (other) => {
        putIdWords(words, 0, other)
        expect(isTransitAccountAt(words, 0)).toBe(isTransitAccountId(other))
        const near = { high: (0x7472_616e_7369n << 16n) | (other.high & 0xffffn), low: other.low }
        putIdWords(words, 0, near)
        expect(isTransitAccountAt(words, 0)).toBe(isTransitAccountId(near))
      }),
    )
  })
})

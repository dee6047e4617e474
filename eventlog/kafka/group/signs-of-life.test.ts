import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeSign,
  encodeSign,
  SILENT_LOOKS,
  SILENT_SIGNS,
  SilenceJudge,
  type Sighting,
} from './signs-of-life.ts'

const OTHER = 'other-1'
const OWN = 'own-1'
const looks = fc.constantFrom<Sighting>('stored', 'outside', 'nothing')

/** So many looks of one kind at a sign that stays as it is. */
function lookOften(judge: SilenceJudge, times: number, look: Sighting): readonly (readonly string[])[] {
  return Array.from({ length: times }, () => judge.look([{ memberId: OTHER, count: 7n }], OWN, look))
}

describe('a sign of life', () => {
  const memberIds = fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 80 })
    .map((codes) => String.fromCharCode(...codes))

  test('comes through as it was', () => {
    fc.assert(
      fc.property(memberIds, fc.bigInt({ min: 0n, max: 10n ** 18n }), (memberId, count) => {
        expect(decodeSign(encodeSign({ memberId, count }))).toEqual({ memberId, count })
      }),
    )
  })

  test('is nothing if a stranger wrote it, and never an error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(decodeSign(text)).toBeUndefined()
      }),
    )
    for (const text of [
      '',
      'purser.1',
      'purser.1 1',
      'purser.2 1 a',
      'purser.1 -1 a',
      'purser.1 1 a b',
      'purser.1 1 a\n',
    ])
      // prettier-ignore
      expect(decodeSign(text)).toBeUndefined()
  })
})

describe('who is silent', () => {
  test('is one of whom nothing was seen while so many own signs were stored, and not one fewer', () => {
    const judge = new SilenceJudge()
    const seen = lookOften(judge, SILENT_SIGNS + 1, 'stored')
    expect(seen.slice(0, -1).flat()).toEqual([])
    expect(seen.at(-1)).toEqual([OTHER])
  })

  test('is nobody whose signs go on, whatever comes between them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(looks, { minLength: 1, maxLength: SILENT_SIGNS }), { maxLength: 40 }),
        (rounds) => {
          const judge = new SilenceJudge()
          rounds.forEach((between, round) => {
            for (const look of between)
              expect(judge.look([{ memberId: OTHER, count: BigInt(round) }], OWN, look)).toEqual([])
          })
        },
      ),
    )
  })

  test('is nobody while one’s own signs cannot be stored: then others’ may not be either', () => {
    const judge = new SilenceJudge()
    expect(lookOften(judge, 1_000, 'nothing').flat()).toEqual([])
    // What counts are signs that were stored, wherever the others stand among them.
    const mixed = Array.from({ length: SILENT_SIGNS - 1 }, () => [
      lookOften(judge, 10, 'nothing').flat(),
      lookOften(judge, 1, 'stored').flat(),
    ])
    expect(mixed.flat(2)).toEqual([])
    expect(lookOften(judge, 1, 'stored')).toEqual([[OTHER]])
  })

  test('who is no member counts looks, and more of them', () => {
    const judge = new SilenceJudge()
    const seen = lookOften(judge, SILENT_LOOKS + 1, 'outside')
    expect(seen.slice(0, -1).flat()).toEqual([])
    expect(seen.at(-1)).toEqual([OTHER])
    expect(SILENT_LOOKS).toBeGreaterThan(SILENT_SIGNS)
  })

  test('is nobody at once behind a time in which nothing was seen', () => {
    const judge = new SilenceJudge()
    lookOften(judge, SILENT_SIGNS, 'stored')
    judge.reset()
    expect(lookOften(judge, SILENT_SIGNS, 'stored').flat()).toEqual([])
  })

  test('is never oneself, and never again whom the group has forgotten', () => {
    const judge = new SilenceJudge()
    const own = { memberId: OWN, count: 1n }
    for (let look = 0; look < 20; look++) expect(judge.look([own], OWN, 'stored')).toEqual([])
    lookOften(judge, SILENT_SIGNS + 1, 'stored')
    judge.forgotten(OTHER)
    expect(lookOften(judge, 100, 'stored').flat()).toEqual([])
  })

  test('is nobody who moved, and whose old sign stays where it was', () => {
    const judge = new SilenceJudge()
    for (let count = 0n; count < 100n; count++) {
      const signs = [
        { memberId: OTHER, count: 7n },
        { memberId: OTHER, count: 8n + count },
      ]
      expect(judge.look(signs, OWN, 'stored')).toEqual([])
    }
  })
})

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { formatId, isUuidV7, parseId, uuidV7TimeMs } from '../schemas/ids.ts'
import { accountIdOf, isExternalName, referenceIdOf, rowCommandId, rowDigest } from './external-ids.ts'

describe('external names', () => {
  test('a UUID is taken as it is, in lower case', () => {
    expect(accountIdOf('018F3A5E-7C1A-7B3C-9D2E-4F5A6B7C8D9E')).toBe('018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e')
  })

  test('any other name becomes the UUIDv8 of its SHA-256, as docs/import-format.md says', () => {
    const digest = createHash('sha256').update('purser:account:Zürich/1').digest('hex')
    const id = accountIdOf('Zürich/1')
    expect(id.replaceAll('-', '').slice(0, 12)).toBe(digest.slice(0, 12))
    expect(id[14]).toBe('8')
    expect('89ab').toContain(id[19])
    expect(id).toBe(accountIdOf('Zürich/1'))
    expect(id).not.toBe(referenceIdOf('Zürich/1'))
  })

  test('the derived ids never change: they are in the logs of others', () => {
    expect(accountIdOf('cash')).toMatchInlineSnapshot(`"fd08f76e-da35-88cf-a73d-a6ae561d35a7"`)
    expect(referenceIdOf('cash')).toMatchInlineSnapshot(`"b57bb14b-de6f-8846-b1fb-b617876b242f"`)
    expect(
      formatId(rowCommandId(rowDigest('bank.csv', 'transfer', '1'), 1_700_000_000_000)),
    ).toMatchInlineSnapshot(`"018bcfe5-6800-7a72-8d61-9b8395511392"`)
  })

  test('a row keeps its bits under another base time, and only the time differs', () => {
    const digest = rowDigest('bank.csv', 'transfer', '17')
    const [early, late] = [1_700_000_000_000, 1_800_000_000_000].map((time) =>
      formatId(rowCommandId(digest, time)),
    )
    expect(early!.slice(14)).toBe(late!.slice(14))
    expect(isUuidV7(parseId(early!)!)).toBe(true)
    expect(uuidV7TimeMs(parseId(late!)!)).toBe(1_800_000_000_000)
  })

  test('rows of another import, another kind or another id have other bits', () => {
    const ids = [
      rowDigest('a', 'transfer', '1'),
      rowDigest('b', 'transfer', '1'),
      rowDigest('a', 'account', '1'),
      rowDigest('a', 'transfer', '2'),
    ]
    expect(new Set(ids.map(String)).size).toBe(4)
  })

  test.each(['', 'x'.repeat(129), 'a\0b', '\ud800'])('%j is no name', (name) => {
    expect(isExternalName(name)).toBe(false)
  })
})

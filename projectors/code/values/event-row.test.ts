import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeEvent } from '../../../schemas/encode-event.ts'
import { decodeEvent, EVENT_KINDS, ROW_BYTE, type EventKind } from '../../../schemas/events.ts'
import { formatId } from '../../../schemas/ids.ts'
import { SampleWallet } from '../../../test/model/sample-wallet.ts'
import { transfer } from '../samples.testing.ts'
import { EventRows } from './event-row.ts'
import { putUuid, uuidAt } from './uuid.ts'

describe('an event row, read in place', () => {
  test('says of every field what the plain decoder says', () => {
    const wallet = new SampleWallet(5)
    wallet.grow(200)
    const events = [...wallet.events, transfer(5, 9_999, 1, 2, { currency: 'LONGCODE', memo: 'žluť '.repeat(18), owner: 'o', refusal: 'insufficient_funds', kind: 'TransferRefused', linkIndex: 3, code: 4_000_000_000 })] // prettier-ignore
    const rows = new EventRows(Buffer.concat(events.map(encodeEvent))).behind(0n)
    expect(rows).toHaveLength(events.length)
    for (const [index, row] of rows.entries()) {
      const { transferId, relatedId, reference, debit, credit, fingerprint: _, namedAccounts: __, ...fields } = decodeEvent(encodeEvent(events[index]!), 0) // prettier-ignore
      for (const [name, value] of Object.entries(fields)) expect([name, row[name as 'code']]).toEqual([name, value])
      expect([row.transferId, row.relatedId, row.reference]).toEqual([transferId, relatedId, reference].map(formatId))
      for (const [side, its] of [[row.debit, debit], [row.credit, credit]] as const)
        for (const name of ['number', 'version', 'debitsPosted', 'debitsPending', 'creditsPosted', 'creditsPending'] as const)
          expect(side[name]).toBe(its[name])
    }
    expect(new Set(rows.map(({ kind }) => kind)).size).toBeGreaterThan(5)
  }) // prettier-ignore

  test('rows up to a sequence are left out, those of a range that is cut off are refused', () => {
    const bytes = Buffer.concat([1, 2, 3].map((sequence) => encodeEvent(transfer(0, sequence, 1, 2))))
    expect(new EventRows(bytes).behind(2n).map(({ sequence }) => sequence)).toEqual([3n])
    expect(() => new EventRows(bytes.subarray(0, bytes.length - 8)).behind(0n)).toThrow('cut off')
  })

  test('a kind that is not known is refused where it is asked for', () => {
    const bytes = encodeEvent(transfer(0, 1, 1, 2))
    bytes[ROW_BYTE.kind] = 99
    const [row] = new EventRows(bytes).behind(0n)
    expect(() => row!.kind satisfies EventKind).toThrow('unknown kind')
    expect(Object.values(EVENT_KINDS)).not.toContain(99)
  })
})

test('a UUID’s bytes give its text, and its text, in either case, its bytes; nothing else is taken', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.boolean(), (text, isUpper) => {
      const bytes = new Uint8Array(20)
      expect(putUuid(bytes, 3, isUpper ? text.toUpperCase() : text)).toBe(true)
      expect(uuidAt(bytes, 3)).toBe(text)
    }),
  )
  for (const text of ['', 'x'.repeat(36), '01234567-89ab-cdef-0123-456789abcdeg', '0123456789abcdef-0123-4567-89abcdef-'])
    expect(putUuid(new Uint8Array(16), 0, text)).toBe(false)
}) // prettier-ignore

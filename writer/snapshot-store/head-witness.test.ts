import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeWitness, encodeWitness, standsIn, type HeadWitness } from './head-witness.ts'

const whole = fc.bigInt(0n, 10n ** 18n)
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const witness: fc.Arbitrary<HeadWitness> = fc
  .record({ partition: fc.nat(1023), epoch: whole, sequence: whole, logOffset: whole, hash: bytes(32), id: fc.option(bytes(16)) })
  .map(({ id, ...known }) => (id === null ? known : { ...known, topicId: id })) // prettier-ignore

test('a witness is read as it was written, with the topic’s id or without, and no other text is one', () => {
  fc.assert(
    fc.property(witness, fc.nat(), fc.integer({ min: 1, max: 127 }), (known, at, change) => {
      const text = encodeWitness(known)
      expect(decodeWitness(text, known.partition)).toEqual(known)
      expect(decodeWitness(text, known.partition + 1)).toBeUndefined()
      const damaged = Buffer.from(text)
      damaged[at % damaged.length]! ^= change
      expect(decodeWitness(damaged.toString('latin1'), known.partition)).toBeUndefined()
    }),
  )
})

test('only one that names a topic’s id says where the events stand', () => {
  const known = { partition: 0, epoch: 1n, sequence: 1n, logOffset: 1n, hash: new Uint8Array(32) }
  const [here, there] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
  expect(standsIn(undefined, here)).toBe(false)
  expect(standsIn(known, here)).toBe(false)
  expect(standsIn({ ...known, topicId: here }, undefined)).toBe(false)
  expect(standsIn({ ...known, topicId: here }, there)).toBe(false)
  expect(standsIn({ ...known, topicId: here }, here)).toBe(true)
})

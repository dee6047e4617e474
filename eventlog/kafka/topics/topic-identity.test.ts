import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeIdentityAnswer, encodeIdentityRequest, formatTopicId } from './topic-identity.ts'

/** An answer as a broker writes it. */
function answerOf(said: {
  hosts: readonly string[]
  errorCode: number
  name: string
  id: Uint8Array
  rest: Uint8Array
}): Buffer {
  const compact = (text: string): Buffer =>
    Buffer.concat([uvarint(Buffer.byteLength(text) + 1), Buffer.from(text)])
  const word = Buffer.alloc(4, 7)
  const code = Buffer.alloc(2)
  code.writeInt16BE(said.errorCode)
  return Buffer.concat([
    Buffer.of(1, 9, 2, 0, 0),
    word,
    uvarint(said.hosts.length + 1),
    ...said.hosts.flatMap((host) => [word, compact(host), word, Buffer.of(0, 0)]),
    Buffer.of(0),
    word,
    Buffer.of(2),
    code,
    compact(said.name),
    said.id,
    said.rest,
  ])
}

function uvarint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
  return Buffer.from([...bytes, value])
}

const said = fc.record({
  hosts: fc.array(fc.string({ maxLength: 200 }), { maxLength: 5 }),
  errorCode: fc.integer({ min: -1, max: 100 }),
  name: fc.string({ maxLength: 249 }),
  id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  rest: fc.uint8Array({ maxLength: 20 }),
})

describe('the id of a topic', () => {
  test('is read from whatever answer a broker gives, and from none that is cut off before it', () => {
    fc.assert(
      fc.property(said, fc.nat(), (answer, cut) => {
        const bytes = answerOf(answer)
        expect(decodeIdentityAnswer(bytes)).toEqual({ errorCode: answer.errorCode, id: answer.id })
        const needed = bytes.length - answer.rest.length
        expect(() => decodeIdentityAnswer(bytes.subarray(0, cut % needed))).toThrow(RangeError)
      }),
    )
  })

  test('bytes that no broker wrote are read or refused, and cost no more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(decodeIdentityAnswer(Buffer.from(bytes)).id).toHaveLength(16)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      }),
    )
  })

  test('is asked for under the name, with the size in front, and without making a topic', () => {
    const request = encodeIdentityRequest(Buffer.of(1, 2, 3), 'x.commands')
    expect(request.readInt32BE(0)).toBe(request.length - 4)
    expect(request.toString('hex', 4)).toBe(
      `010203${'00'}02${'00'.repeat(16)}0b${Buffer.from('x.commands').toString('hex')}${'00'.repeat(5)}`,
    )
  })

  test('is shown as tools of Kafka show it', () => {
    expect(formatTopicId(new Uint8Array(16).fill(255))).toBe('_____________________w')
  })
})

import { describe, expect, it } from 'vitest'
import { decodeFetchResponse } from './fetch-response.ts'

const UNKNOWN_TOPIC = 3
const SESSION_NOT_FOUND = 70

const i16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}
const i32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** Of one partition of the topic `events`. @param aborted transactions; −1: none is told of */
function response(records: string | undefined, aborted = -1, errorCode = 0): Buffer {
  const topic = Buffer.from('events')
  return Buffer.concat([
    ...[i32(0), i16(0), i32(0), i32(1), i16(topic.length), topic, i32(1), i32(2), i16(errorCode)],
    // High watermark, last stable offset and log start offset, then producers and offsets.
    ...[Buffer.alloc(3 * 8, 7), i32(aborted), Buffer.alloc(Math.max(0, aborted) * 16, 9)],
    ...(records === undefined ? [i32(-1)] : [i32(records.length), Buffer.from(records)]),
  ])
}

/** Without topics, as where a whole request fails. */
const bare = (errorCode: number): Buffer => Buffer.concat([i32(0), i16(errorCode), i32(0), i32(0)])

const told = (bytes: Buffer): [number, string] => {
  const { errorCode, batches } = decodeFetchResponse(bytes)
  return [errorCode, batches.toString()]
}

describe('the answer to a fetch', () => {
  it.each([-1, 0, 1, 3])('gives the records behind %i aborted transactions', (aborted) => {
    expect(told(response('records', aborted))).toEqual([0, 'records'])
  })

  it('no records are none, whether there are zero bytes of them or they are left out', () => {
    expect(told(response(''))).toEqual([0, ''])
    expect(told(response(undefined))).toEqual([0, ''])
  })

  it('tells the error of the partition, and that of the whole answer, which has no topics behind it', () => {
    expect(told(response(undefined, -1, UNKNOWN_TOPIC))).toEqual([UNKNOWN_TOPIC, ''])
    expect(told(bare(SESSION_NOT_FOUND))).toEqual([SESSION_NOT_FOUND, ''])
  })

  it('without an error and without the partition is no answer', () => {
    expect(() => decodeFetchResponse(bare(0))).toThrow('does not tell of the partition')
  })

  it('cut off anywhere, it is not taken for a shorter one', () => {
    const whole = response('records', 1)
    for (let bytes = 0; bytes < whole.length; bytes++)
      expect(() => decodeFetchResponse(whole.subarray(0, bytes)), `${bytes} bytes`).toThrow(RangeError)
  })
})

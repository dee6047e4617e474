/** What every sink has to keep to, as tests: a sink's own test file calls this with a way to open it and to look into it. */
import { describe, expect, test } from 'vitest'
import type { StateValue } from '../code-projection.ts'
import type { Delivery, Sink } from '../sink-projection.ts'

export interface SinkUnderTest {
  /** Opens the sink, another time over what it has taken before. */
  readonly open: () => Promise<Sink<StateValue>>
  /** Every message that stands in it, by its key. A key that stands in it twice throws. */
  readonly messages: () => Promise<ReadonlyMap<string, unknown>>
}

/** A delivery of one message for each sequence from `first` to `last`, and two for those that five divides. */
export function delivery(partition: number, first: number, last: number): Delivery<StateValue> {
  const messages = Array.from({ length: last - first + 1 }, (_, index) => first + index).flatMap((sequence) =>
    (sequence % 5 === 0 ? [0, 1] : [0]).map((index) => ({
      idempotencyKey: `${partition}:${sequence}:${index}`,
      message: { sequence, text: 'žluť "quoted"\n', none: null, amount: BigInt(sequence) },
    })),
  )
  return { partition, first: BigInt(first), last: BigInt(last), messages }
}

export function describeSink(name: string, underTest: () => Promise<SinkUnderTest>): void {
  const keysOf = (deliveries: readonly Delivery<StateValue>[]): string[] =>
    [
      ...new Set(deliveries.flatMap(({ messages }) => messages.map(({ idempotencyKey }) => idempotencyKey))),
    ].sort()

  describe(`a sink: ${name}`, () => {
    test.each([
      ['once', [delivery(0, 1, 4), delivery(0, 5, 9)]],
      ['again in the same cuts', [delivery(0, 1, 7), delivery(0, 1, 7)]],
      [
        'again in others',
        [delivery(0, 1, 7), delivery(0, 1, 2), delivery(0, 3, 12), delivery(0, 5, 5), delivery(0, 6, 14)],
      ],
      [
        'of several partitions',
        [delivery(0, 1, 5), delivery(3, 1, 6), delivery(0, 1, 9), delivery(3, 1, 2), delivery(3, 1, 8)],
      ],
    ] as const)(
      'has each message once, whether it comes %s, also after it was opened anew',
      async (_how, deliveries) => {
        for (const opensEach of [false, true]) {
          const { open, messages } = await underTest()
          let sink = await open()
          for (const one of deliveries) {
            await sink.deliver(one)
            if (!opensEach) continue
            await sink.close()
            sink = await open()
          }
          await sink.close()
          expect([...(await messages()).keys()].sort()).toEqual(keysOf(deliveries))
        }
      },
    )

    test('what it has taken is there for who opens it behind', async () => {
      const { open, messages } = await underTest()
      const sink = await open()
      await sink.deliver(delivery(0, 1, 3))
      // Not closed: it may be that nobody could.
      expect((await messages()).get('0:2:0')).toMatchObject({ sequence: 2, text: 'žluť "quoted"\n' })
      await sink.close()
    })
  })
}

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Shares } from './shares.ts'

const PARTITIONS = 4

it('whatever comes and goes, and whatever passes by itself, what is open in the end is what was wanted last', async () => {
  const word = fc.record({
    wanted: fc.uniqueArray(fc.nat(PARTITIONS - 1)),
    turns: fc.nat(6),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 12 }), fc.infiniteStream(fc.nat(4)), async (words, draws) => {
      const draw = (): number => draws.next().value as number
      const turns = async (count: number): Promise<void> => {
        for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
      }
      const open = new Set<number>()
      const shares = new Shares<number>({
        open: async (partition, signal) => {
          await turns(draw())
          if (draw() === 0) throw new Error('not now')
          // Some see that they are not wanted any more, and some go on.
          if (draw() === 0) signal.throwIfAborted()
          expect(open.has(partition)).toBe(false)
          open.add(partition)
          return partition
        },
        close: async (held, partition) => {
          expect(held).toBe(partition)
          await turns(draw())
          expect(open.delete(partition)).toBe(true)
        },
        isPassing: () => true,
        failed: (_, error) => expect.fail(String(error)),
        log: () => undefined,
        retryMs: 1,
      })
      let last: number[] = []
      for (const { wanted, turns: count } of words) {
        shares.assign(new Set(wanted))
        last = wanted.sort()
        await turns(count)
      }
      while (shares.opening().length > 0 || shares.held().length > last.length) await turns(1)
      expect(shares.held()).toEqual(last)
      await shares.end()
      expect(open).toEqual(new Set())
      expect(shares.held()).toEqual([])
    }),
    { numRuns: 200, interruptAfterTimeLimit: 20_000 },
  )
}) // prettier-ignore

it('what does not pass is told once, and the other partitions go on', async () => {
  const told: unknown[] = []
  const shares = new Shares<number>({
    open: async (partition) => {
      if (partition === 1) throw new Error('the topic is damaged')
      return partition
    },
    close: async () => undefined,
    isPassing: () => false,
    failed: (partition, error) => told.push([partition, (error as Error).message]),
    log: () => undefined,
  })
  shares.assign(new Set([0, 1, 2]))
  await new Promise((resolve) => setImmediate(resolve))
  expect(shares.held()).toEqual([0, 2])
  expect(shares.opening()).toEqual([1])
  expect(told).toEqual([[1, 'the topic is damaged']])
  await shares.end()
})

it('what is being opened ends as soon as it is not wanted any more, and is opened anew if it is wanted again', async () => {
  const said: string[] = []
  let openings = 0
  const shares = new Shares<number>({
    // Nothing comes of the first two, however long one waits.
    open: (partition, signal) =>
      new Promise((resolve, reject) => {
        if (++openings > 2) resolve(partition)
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
    close: async () => undefined,
    isPassing: () => false,
    failed: (_, error) => said.push(String(error)),
    log: (line) => said.push(line),
  })
  shares.assign(new Set([0, 1]))
  shares.assign(new Set([1]))
  shares.assign(new Set([0, 1]))
  await expect.poll(() => shares.held()).toEqual([0])
  expect(shares.opening()).toEqual([1])
  await shares.end()
  expect(said).toEqual([])
  expect(openings).toBe(3)
})

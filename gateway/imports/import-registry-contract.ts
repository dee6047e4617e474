/** The contract of ImportRegistry, as tests: run against every implementation. */
import { describe, expect, it } from 'vitest'
import {
  BASE_TIMES_MAX,
  newestOf,
  type Beginning,
  type ImportRegistry,
  type ImportTimes,
} from './import-registry.ts'

/** The next base time of partition 0. */
export function beginning(nowMs: number, beyond?: number, more: Partial<Beginning> = {}): Beginning {
  return { partition: 0, beyond, nowMs, after: 0n, ...more }
}

/** Base times of a partition, in order. */
export function timesOf({ byPartition }: ImportTimes, partition = 0): number[] {
  return (byPartition.get(partition) ?? []).map(({ baseMs }) => baseMs)
}

/** @param open opens an empty registry, and another one on the same storage, as a process that starts later has it */
export function describeImportRegistry(
  name: string,
  open: () => Promise<{ readonly registry: ImportRegistry; readonly later: ImportRegistry }>,
): void {
  describe(`${name} keeps the contract of ImportRegistry`, () => {
    it('base times are kept by import and partition, in the order in which they were begun, for every later process', async () => {
      const { registry, later } = await open()
      expect(timesOf(await registry.times('a'))).toEqual([])
      await registry.begin('a', beginning(6))
      await registry.begin('a', beginning(5, 6, { after: 2n ** 63n }))
      await registry.begin('a', beginning(7, undefined, { partition: 1_023 }))
      await registry.begin('b, with a quote \' and a "', beginning(8))
      for (const reader of [registry, later]) {
        const { byPartition, ofChunks } = await reader.times('a')
        expect(byPartition.get(0)).toEqual([
          { baseMs: 6, after: 0n },
          { baseMs: 5, after: 2n ** 63n },
        ])
        expect(byPartition.get(1_023)).toEqual([{ baseMs: 7, after: 0n }])
        expect(ofChunks).toEqual([])
        expect(timesOf(await reader.times('b, with a quote \' and a "'))).toEqual([8])
      }
      expect(timesOf(await later.begin('a', beginning(9, 5)))).toEqual([6, 5, 9])
    })

    it('of any number that ask at once one is begun, and all are told the same', async () => {
      const { registry } = await open()
      const asked = [5, 6, 7, 8].map((time) => registry.begin('a', beginning(time)))
      const told = new Set((await Promise.all(asked)).map((times) => timesOf(times).join()))
      expect(told.size).toBe(1)
      expect(timesOf(await registry.times('a'))).toHaveLength(1)
    })

    it('who does not know the newest one begins none, and is told it', async () => {
      const { registry } = await open()
      await registry.begin('a', beginning(5))
      await registry.begin('a', beginning(6, 5))
      for (const beyond of [undefined, 5, 7])
        expect(timesOf(await registry.begin('a', beginning(9, beyond)))).toEqual([5, 6])
    })
  })
}

/** Fills a registry up to its bound, for implementations that need no waiting between base times. */
export async function fillUp(registry: ImportRegistry): Promise<void> {
  for (let time = 1; time <= BASE_TIMES_MAX; time++)
    expect(newestOf(await registry.begin('a', beginning(time, time === 1 ? undefined : time - 1)), 0)).toBe(
      time,
    )
  await expect(registry.begin('a', beginning(0, BASE_TIMES_MAX))).rejects.toThrow(
    `${BASE_TIMES_MAX} base times already`,
  )
}

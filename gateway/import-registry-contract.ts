/** The contract of ImportRegistry, as tests: run against every implementation. */
import { describe, expect, it } from 'vitest'
import { BASE_TIMES_MAX, type ImportRegistry } from './import-registry.ts'

/** @param open a registry that knows nothing, and another on the same memory, as a process that starts later has it */
export function describeImportRegistry(
  name: string,
  open: () => Promise<{ readonly registry: ImportRegistry; readonly later: ImportRegistry }>,
): void {
  describe(`${name} keeps the contract of ImportRegistry`, () => {
    it('base times are kept by import and chunk, in the order in which they were begun, for every later process', async () => {
      const { registry, later } = await open()
      expect(await registry.baseTimes('a', 0)).toEqual([])
      for (const [importName, chunk, time] of [['a', 0, 6], ['a', 0, 5], ['a', 1, 7], ['b', 0, 8]] as const)
        expect(await registry.begin(importName, chunk, time)).toBe(time) // prettier-ignore
      for (const reader of [registry, later]) {
        expect(await reader.baseTimes('a', 0)).toEqual([6, 5])
        expect(await reader.baseTimes('a', 1)).toEqual([7])
        expect(await reader.baseTimes('b', 0)).toEqual([8])
        expect(await reader.baseTimes('b', 1)).toEqual([])
      }
      await later.begin('a', 0, 9)
      expect(await later.baseTimes('a', 0)).toEqual([6, 5, 9])
    })

    it('two that are begun at once are both kept', async () => {
      const { registry } = await open()
      await Promise.all([registry.begin('a', 0, 5), registry.begin('a', 0, 6)])
      const times = await registry.baseTimes('a', 0)
      expect([...times].sort()).toEqual([5, 6])
      expect(await registry.baseTimes('a', 0)).toEqual(times)
    })

    it('the anchor is that of the first base time, whatever came with others', async () => {
      const { registry, later } = await open()
      expect(await registry.anchor('a', 0)).toBeUndefined()
      await registry.begin('a', 0, 5, 'first, with a quote \' and a "')
      await registry.begin('a', 0, 6, 'second')
      await registry.begin('a', 1, 7)
      await registry.begin('a', 1, 8, 'late')
      for (const reader of [registry, later]) {
        expect(await reader.anchor('a', 0)).toBe('first, with a quote \' and a "')
        expect(await reader.anchor('a', 1)).toBeUndefined()
      }
    })

    it('a chunk that has as many base times as may be gets no further one', async () => {
      const { registry } = await open()
      for (let time = 1; time <= BASE_TIMES_MAX; time++) await registry.begin('a', 0, time)
      await expect(registry.begin('a', 0, 0)).rejects.toThrow(`${BASE_TIMES_MAX} base times already`)
      expect(await registry.baseTimes('a', 0)).toHaveLength(BASE_TIMES_MAX)
    })
  })
}

import { describe, expect, it } from 'vitest'
import { blocksIn, blocksLost, blocksOf, blocksText, longest } from './blocks.ts'

describe('the blocks of a table', () => {
  it('are stretches in their order, and those that touch or overlap are one', () => {
    expect(blocksOf([[7, 7], [1, 3], [4, 5], [9, 12], [2, 4]])).toEqual([[1, 5], [7, 7], [9, 12]])
    expect(blocksIn('9-12,1-3,4,7')).toEqual([[1, 4], [7, 7], [9, 12]])
    expect(blocksIn('')).toEqual([])
  }) // prettier-ignore

  it('are said in a text that reads as the same', () => {
    const blocks = blocksOf([[1, 50], [52, 52], [60, 61]])
    expect(blocksText(blocks)).toBe('1-50,52,60-61')
    expect(blocksIn(blocksText(blocks))).toEqual(blocks)
  }) // prettier-ignore

  it('are never lost to new ones, nor to merges, which cover what lies between too', () => {
    expect(blocksLost(blocksIn('1,3,5,7'), blocksIn('1,3,5,7,9'))).toBe(0)
    expect(blocksLost(blocksIn('1,3,5,7'), blocksIn('1-5,7-9'))).toBe(0)
    expect(blocksLost([], [])).toBe(0)
  })

  it.each([
    ['all', '1-50', '', 50],
    ['all, and others came since', '1-50', '51-53', 50],
    ['one in the middle', '1,3,5', '1,5', 1],
    ['the end of what was merged', '1-9,11', '1-4,11', 5],
  ])('that are gone are counted: %s', (_what, before, now, lost) => {
    expect(blocksLost(blocksIn(before), blocksIn(now))).toBe(lost)
  })

  it('of which not all can be said are said by the longest, and none that is not there', () => {
    const many = blocksOf(Array.from({ length: 100 }, (_, index) => [index * 10, index * 10 + (index === 99 ? 5 : 1)]))
    const said = longest(many, 32)
    expect(said).toHaveLength(32)
    expect(said.at(-1)).toEqual([990, 995])
    expect(blocksLost(said, many)).toBe(0)
  }) // prettier-ignore
})

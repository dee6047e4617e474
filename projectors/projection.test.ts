import { describe, expect, it } from 'vitest'
import {
  createSharedFeed,
  createVersion,
  dropVersion,
  feedName,
  partsOf,
  sharedFeedName,
  sharedPartsOf,
} from './clickhouse/view-tables.ts'
import { allTogether, someTogether, tableNameAmong, tableNames, type SqlProjection } from './projection.ts'

function projection(name: string, table: string, past?: string): SqlProjection {
  return {
    kind: 'sql',
    name,
    version: 2,
    tables: [
      {
        name: table,
        columns: [
          ['partition', 'UInt16'],
          ['sequence', 'UInt64'],
        ],
        key: ['sequence'],
        select: 'partition, sequence',
        ...(past === undefined ? {} : { highest: { column: 'sequence', past } }),
      },
    ],
  }
}

const [one, two, three] = [projection('one', 'a'), projection('two', 'b'), projection('three', 'c', 'b')]

describe('a set of projections', () => {
  it('has every name and every table once, and every table that another leans on', () => {
    expect(() => allTogether([one, projection('one', 'c')])).toThrow('projection one is there twice')
    expect(() => allTogether([one, projection('two', 'a')])).toThrow('table a is there twice')
    expect(() => allTogether([one, three])).toThrow('no projection has a table b')
    expect(() => someTogether([one, two], ['one', 'three'])).toThrow('no projection three')
  })

  it('has tables that are called by the version of their own projection', () => {
    expect(tableNames(three)).toEqual({ c: 'c_v2' })
    expect(tableNameAmong([one, { ...two, version: 7 }, three], 'b', 'there')).toBe('there.b_v7')
  })

  it('has a feed for each version, and one that any of them share, whatever their order', () => {
    expect(feedName({ name: 'one', version: 3 })).toBe('feed_one_v3')
    expect(sharedFeedName([one, two])).toBe(sharedFeedName([two, one]))
    expect(sharedFeedName([one, two])).not.toBe(sharedFeedName([one, { ...two, version: 9 }]))
  })

  it('has parts that are all made, and all removed', () => {
    const [made, gone] = [createVersion(one).join('\n'), dropVersion(one).join('\n')]
    for (const part of partsOf(one))
      for (const text of [made, gone]) expect(text).toContain(`EXISTS ${part} `)
    const shared = createSharedFeed([one, two]).join('\n')
    for (const part of sharedPartsOf([one, two])) expect(shared).toContain(`EXISTS ${part} `)
  })
})

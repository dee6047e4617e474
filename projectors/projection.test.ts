import { describe, expect, it } from 'vitest'
import { createStatements, dropStatements, inputTableName } from './clickhouse/view-tables.ts'
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
    expect(() => allTogether([one, projection('two', 'a')])).toThrow('table a_v2 is there twice')
    expect(() => allTogether([one, three])).toThrow('no projection has a table b')
    expect(() => someTogether([one, two], ['one', 'three'])).toThrow('no projection three')
  })

  it('has tables that are called by the version of their own projection', () => {
    expect(tableNames(three)).toEqual({ c: 'c_v2' })
    expect(tableNameAmong([one, { ...two, version: 7 }, three], 'b', 'there')).toBe('there.b_v7')
  })

  it('is fed by a table of the plain name if it is all there are, and else by one of its own, in any order', () => {
    const all = [one, two, three]
    expect(inputTableName(allTogether(all))).toBe('feed_v1')
    expect(inputTableName(allTogether([one]))).toBe('feed_v1')
    expect(inputTableName(someTogether(all, ['three', 'one', 'two']))).toBe('feed_v1')
    expect(inputTableName(someTogether(all, ['two', 'one']))).toBe('feed_one_two_v1')
  })

  it('comes to the feed that is there: what is made for the others stays as it was', () => {
    const before = createStatements(allTogether([one, two]))
    expect(createStatements(allTogether([one, two, three]))).toEqual(expect.arrayContaining(before))
  })

  it('forgets all checkpoints if it is all there are, and else its own alone', () => {
    const forgets = (statements: readonly string[]) =>
      statements.filter((one) => one.includes('checkpoints_v2'))
    expect(forgets(dropStatements(allTogether([one, two])))).toEqual([
      'DROP TABLE IF EXISTS checkpoints_v2 SYNC',
    ])
    expect(forgets(dropStatements(someTogether([one, two], ['two'])))).toEqual([
      expect.stringContaining("DELETE WHERE projection_name IN ('two')"),
    ])
  })
})

import { describe, expect, test } from 'vitest'
import { QueryError } from '../errors.ts'
import { parseStatement, splitInlineData } from './statement.ts'

describe('statement', () => {
  test.each([
    [
      'INSERT INTO t FORMAT JSONEachRow\n{"a":"it\'s; --"}\n\n{"a":2}',
      'INSERT INTO t FORMAT JSONEachRow',
      '{"a":"it\'s; --"}\n\n{"a":2}',
    ],
    ["insert into t (a, b) values (1, 'x;')", 'insert into t (a, b) values', "(1, 'x;')"],
    [
      'INSERT INTO t SETTINGS async_insert = 0 FORMAT RowBinary',
      'INSERT INTO t SETTINGS async_insert = 0 FORMAT RowBinary',
      '',
    ],
    ['INSERT INTO t SELECT format FROM u', 'INSERT INTO t SELECT format FROM u', ''],
    [
      "INSERT INTO t SELECT a FROM input('a Int8') FORMAT CSV\n1;2",
      "INSERT INTO t SELECT a FROM input('a Int8') FORMAT CSV",
      '1;2',
    ],
    ["SELECT 'INSERT INTO t VALUES' FORMAT CSV", "SELECT 'INSERT INTO t VALUES' FORMAT CSV", ''],
    ['INSERT INTO t FORMAT CSV;\n', 'INSERT INTO t FORMAT CSV', ''],
  ])('the data of %j is told from the query', (text, code, data) => {
    expect(splitInlineData(text)).toEqual({ code, data })
  })

  test.each([
    'SELECT 1; DROP TABLE t',
    'SELECT 1;;SELECT 2',
    "SELECT ';' ; -- x\n SELECT 2",
    'DROP TABLE a; DROP TABLE b',
  ])('two statements in one text are refused: %j', (text) => {
    expect(() => parseStatement(text)).toThrow(/Multi-statements are not allowed/)
  })

  test.each([
    'SELECT 1;',
    'SELECT 1 ; ; -- the end',
    "SELECT ';'",
    'SELECT 1 /* ; */',
    '(SELECT 1) UNION ALL (SELECT 2)',
  ])('a semicolon that ends or is quoted separates nothing: %j', (text) => {
    expect(parseStatement(text).kind).toBe('read')
  })

  test.each([
    "SELECT 1 INTO OUTFILE 'x'",
    "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    "select 1 into /**/ outfile 'x'",
  ])('no query names a file of this machine by the client-side clauses: %j', (text) => {
    expect(() => parseStatement(text)).toThrow(QueryError)
  })

  test.each(["SELECT 'open", 'SELECT `open', 'SELECT 1 /* open', '', ' -- nothing'])(
    '%j is no query',
    (text) => {
      expect(() => parseStatement(text)).toThrow(/Syntax error/)
    },
  )

  test('a FORMAT at the end is set apart, with the settings behind it; a column of that name is not', () => {
    expect(parseStatement('SELECT a FROM t FORMAT JSON SETTINGS max_threads = 1;')).toEqual({
      kind: 'read',
      text: 'SELECT a FROM t',
      format: 'JSON',
      settings: 'max_threads = 1',
    })
    expect(parseStatement('SELECT a, format FROM t')).toMatchObject({
      format: undefined,
      text: 'SELECT a, format FROM t',
    })
    expect(parseStatement("SELECT format('{}', a) FROM (SELECT 1 AS a)")).toMatchObject({ format: undefined })
  })

  test('an INSERT is cut where its settings and its data go', () => {
    expect(parseStatement('INSERT INTO db.`t` (a, `b)`) SETTINGS x = 1 FORMAT RowBinary')).toEqual({
      kind: 'insert-data',
      head: 'INSERT INTO db.`t` (a, `b)`)',
      format: 'RowBinary',
      settings: 'x = 1',
    })
    const select = parseStatement("INSERT INTO t SELECT a FROM input('a Int8') WHERE a > 0 FORMAT CSV")
    expect(select).toMatchObject({ kind: 'insert-select', head: 'INSERT INTO t', format: 'CSV' })
    if (select.kind !== 'insert-select') throw new Error('unreachable')
    expect(select.select.slice(select.inputs[0]!.start, select.inputs[0]!.end)).toBe("input('a Int8')")
    expect(parseStatement('INSERT INTO t (SELECT 1)')).toMatchObject({
      kind: 'insert-select',
      head: 'INSERT INTO t',
    })
  })

  test('what changes anything is never taken for a read', () => {
    for (const text of [
      'DROP TABLE t',
      'ALTER TABLE t DELETE WHERE 1',
      'SYSTEM FLUSH LOGS',
      'SET a = 1',
      'TRUNCATE TABLE t',
    ]) {
      expect(parseStatement(text).kind).toBe('command')
    }
  })
})

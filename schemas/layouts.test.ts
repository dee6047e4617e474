/** The offsets of rows and slots are written once: what follows from them is what others are told. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { SLOT, SLOT_BYTE } from './commands.ts'
import { EVENT_COLUMNS, ROW, ROW_BYTE, ROW_TEXT_BYTE, ROW_WORDS, SIDE_BYTE } from './events.ts'
import { COMMAND_SLOT_BYTES, EVENT_ROW_BYTES } from './limits.ts'

const BYTES_OF_TYPE: Readonly<Record<string, number>> = {
  UInt64: 8, Int64: 8, "DateTime64(9, 'UTC')": 8, UUID: 16, 'FixedString(8)': 8, UInt32: 4, UInt16: 2, UInt8: 1,
} // prettier-ignore

/** Where ClickHouse reads each column of fixed size, in a row without framing. */
function columnBytes(): Map<string, number> {
  const bytes = new Map<string, number>()
  let at = 0
  for (const [name, type] of EVENT_COLUMNS) {
    if (type === 'String') break
    bytes.set(name, at)
    at += BYTES_OF_TYPE[type]!
  }
  bytes.set('texts', at)
  return bytes
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8')
}

/** `104 debit_version` and the like, in the layout that a file's first comment gives: lines that begin with a byte. */
function toldAtHead(file: string): [number, string][] {
  const [head = ''] = read(`./${file}`).split('*/')
  const lines = head.split('\n').filter((line) => /^ \* {1,4}\d+ [a-z]/.test(line))
  return [...lines.join(' · ').matchAll(/(?:^|· | \* +)(\d+) ([a-z_]+)/g)].map(([, byte, name]) => [
    Number(byte),
    name!,
  ])
}

it('a row’s fields stand where ClickHouse reads the columns of the same names', () => {
  const columns = columnBytes()
  for (const [field, byte] of Object.entries(ROW_BYTE)) {
    const column = field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    expect(columns.get(column), field).toBe(byte)
  }
  for (const side of ['debit', 'credit'] as const)
    for (const [field, byte] of Object.entries(SIDE_BYTE)) {
      const column = `${side}_${field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
      expect(columns.get(column), column).toBe(ROW_BYTE[`${side}Version`] + byte)
    }
  expect(ROW_TEXT_BYTE + 4).toBe(EVENT_ROW_BYTES)
  expect(Math.max(...Object.values(ROW))).toBe(ROW_WORDS - 1)
})

it('docs/event-format.md and the head of events.ts tell the bytes of a row as they are', () => {
  const table = read('../docs/event-format.md').split('| byte | what |').at(-1)!.split('\n\n')[0]!
  const told = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, cell]) => cell!.split(',').map(Number))
  expect(told.length).toBeGreaterThan(10)
  expect(told.filter((byte) => !Object.values<number>(ROW_BYTE).includes(byte))).toEqual([])
  const columns = columnBytes()
  const named = toldAtHead('events.ts').filter(([, name]) => columns.has(name))
  expect(named).toHaveLength(EVENT_COLUMNS.filter(([, type]) => type !== 'String').length - 8)
  for (const [byte, name] of named) expect([byte, name]).toEqual([columns.get(name), name])
})

it('the head of commands.ts tells the bytes of a slot as they are', () => {
  const bytes = new Set<number>(Object.values(SLOT_BYTE))
  expect(new Set(toldAtHead('commands.ts').map(([byte]) => byte))).toEqual(bytes)
})

it('a slot’s fields follow each other without a gap, up to the zeros behind them', () => {
  // The zeros begin where a step's own fields do.
  const { end: _end, ...fields } = SLOT_BYTE
  const starts = Object.values(fields)
  expect(starts).toEqual([...starts].sort((left, right) => left - right))
  expect(new Set(starts).size).toBe(starts.length)
  expect(SLOT_BYTE.end).toBe((SLOT.textLengths + 0.5) * 8)
  expect(SLOT_BYTE.end).toBeLessThan(COMMAND_SLOT_BYTES)
})

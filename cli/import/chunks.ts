/**
 * Lines → chunks: as many as travel in one request. Nothing hangs on which row is in which chunk.
 *
 * Linked rows stay together, and are bad together: where one of a group cannot be sent, none may be.
 */
import { LINKED_TRANSFERS_MAX } from '../../schemas/limits.ts'
import type { ImportLine } from './file/rows.ts'

/** Lines of a chunk; a linked group that begins on the last one goes on behind it. */
export const CHUNK_LINES = 4_096

/** Lines of one request, good and bad. */
export type Chunk = readonly ImportLine[]

/** Cuts lines into chunks. */
export async function* intoChunks(lines: AsyncIterable<ImportLine>): AsyncGenerator<Chunk> {
  let chunk: ImportLine[] = []
  for await (const group of intoGroups(lines)) {
    chunk.push(...group)
    if (chunk.length < CHUNK_LINES) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

/** Single lines and whole linked groups, in order. The lines of a group that cannot be are faults. */
async function* intoGroups(lines: AsyncIterable<ImportLine>): AsyncGenerator<ImportLine[]> {
  let group: ImportLine[] = []
  /** Says that a group grew too long: what is left of it is bad line by line. */
  let overlong = false
  for await (const line of lines) {
    const goesOn: boolean = 'row' in line ? isLinked(line) : (line.linked ?? (group.length > 0 || overlong))
    if (overlong) {
      overlong = goesOn
      yield [toFault(line, TOO_LONG)]
      continue
    }
    if (group.length > 0 && 'row' in line && line.row.type === 'account') {
      yield group.map((member) => toFault(member, `linked with line ${line.line}, which is an account`))
      group = []
    }
    group.push(line)
    if (group.length > LINKED_TRANSFERS_MAX) {
      overlong = goesOn
      yield group.map((member) => toFault(member, TOO_LONG))
      group = []
    } else if (!goesOn) {
      yield settled(group)
      group = []
    }
  }
  yield group.map((member) => toFault(member, 'linked with the next line, and there is none'))
}

const TOO_LONG = `part of a linked group of more than ${LINKED_TRANSFERS_MAX} rows`

/** A group as it stands; where one of it is bad, all of it is. */
function settled(group: ImportLine[]): ImportLine[] {
  const bad = group.find((member) => 'fault' in member)
  return bad === undefined ? group : group.map((member) => toFault(member, `linked with line ${bad.line}, which is bad`))
} // prettier-ignore

/** True if a row belongs together with the next one. */
export function isLinked(line: ImportLine): boolean {
  return 'row' in line && line.row.type === 'transfer' && line.row.linked === true
}

function toFault(line: ImportLine, fault: string): ImportLine {
  return 'fault' in line ? line : { line: line.line, fault }
}

/** What an import did, counted. */
import { encodePosition } from '../../gateway/positions/tokens.ts'
import type { RefusalCode } from '../../schemas/refusals.ts'
import type { KnownRow } from './base-times.ts'

/** A line that was not loaded because it is wrong. */
export interface BadLine {
  /** Number of the line in the file, from 1. */
  readonly line: number
  readonly fault: string
}

export interface ImportReport {
  /** Name under which the platform keeps the base times of this import. */
  readonly name: string
  /** Lines read, empty ones left out. */
  readonly lines: number
  /** Took effect in this run. */
  readonly accepted: number
  /** Had taken effect before: nothing happened now. */
  readonly replayed: number
  /** Lines whose command was refused, by reason, whether now or before; `id_reused`: lines of `reusedLines`. */
  readonly refused: Readonly<Record<string, number>>
  /** Of these, refused before: nothing happened now. */
  readonly refusedBefore: number
  /** Lines with the id of a row that was imported with other contents before; the first ones. */
  readonly reusedLines: readonly BadLine[]
  /** Bad lines; the first ones are named in `badLines`. */
  readonly bad: number
  readonly badLines: readonly BadLine[]
  /** Up to where a reader has to be to see everything that this run did; undefined if nothing has an outcome. */
  readonly position: string | undefined
  readonly seconds: number
}

/** Bad and reused lines that a report names. */
export const BAD_LINES_NAMED_MAX = 100

const REUSED: RefusalCode = 'id_reused'

/** Counts while an import runs. */
export class Tally {
  readonly #name: string
  readonly #startedAtMs = performance.now()
  readonly #refused = new Map<string, number>()
  readonly #badLines: BadLine[] = []
  #lines = 0
  #accepted = 0
  #replayed = 0
  #refusedBefore = 0
  readonly #reusedLines: BadLine[] = []
  #bad = 0
  readonly #position = new Map<number, bigint>()

  constructor(name: string) {
    this.#name = name
  }

  read(lines: number): void {
    this.#lines += lines
  }

  accepted(isReplay: boolean): void {
    if (isReplay) this.#replayed++
    else this.#accepted++
  }

  /** @param isRepeat it had been refused before */
  refused(code: string, isRepeat: boolean): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1)
    if (isRepeat) this.#refusedBefore++
  }

  /** An outcome of an earlier run. */
  known({ partition, sequence, refusal }: KnownRow): void {
    if (refusal === undefined) this.accepted(true)
    else this.refused(refusal, true)
    this.reached(partition, sequence)
  }

  /** A line with the id of a row that had other contents. */
  reused(line: number, fault: string): void {
    this.refused(REUSED, false)
    if (this.#reusedLines.length < BAD_LINES_NAMED_MAX) this.#reusedLines.push({ line, fault })
  }

  get reusedCount(): number {
    return this.#refused.get(REUSED) ?? 0
  }

  bad(line: number, fault: string): void {
    this.#bad++
    if (this.#badLines.length < BAD_LINES_NAMED_MAX) this.#badLines.push({ line, fault })
  }

  /** Takes a place in the log of which an answer speaks. One about repeats may lie before those of earlier answers. */
  reached(partition: number, sequence: bigint): void {
    if (sequence > (this.#position.get(partition) ?? 0n)) this.#position.set(partition, sequence)
  }

  report(): ImportReport {
    return {
      name: this.#name,
      lines: this.#lines,
      accepted: this.#accepted,
      replayed: this.#replayed,
      refused: Object.fromEntries([...this.#refused].sort(([left], [right]) => left.localeCompare(right))),
      refusedBefore: this.#refusedBefore,
      reusedLines: [...this.#reusedLines],
      bad: this.#bad,
      badLines: [...this.#badLines],
      position: this.#position.size === 0 ? undefined : encodePosition(this.#position),
      seconds: Math.round(performance.now() - this.#startedAtMs) / 1_000,
    }
  }
}

/** The report for people. */
export function describeReport(report: ImportReport): string {
  const refused = Object.values(report.refused).reduce((sum, count) => sum + count, 0)
  const isAllKnown = report.accepted === 0 && report.replayed > 0
  const rows = [
    `Import "${report.name}": ${report.lines} lines in ${report.seconds} s`,
    `  accepted  ${report.accepted}`,
    `  replayed  ${report.replayed}   (had happened before; nothing was changed)`,
    `  refused   ${refused}${report.refusedBefore === 0 ? '' : `   (${report.refusedBefore} of them before)`}`,
    ...Object.entries(report.refused).map(([code, count]) => `    ${code}  ${count}`),
    ...report.reusedLines.slice(0, 20).map(({ line, fault }) => `    line ${line}: ${fault}`),
    `  bad lines ${report.bad}`,
    ...report.badLines.slice(0, 20).map(({ line, fault }) => `    line ${line}: ${fault}`),
  ]
  if (isAllKnown) rows.push(`No row was new: all had been imported as "${report.name}" before.`)
  return rows.join('\n')
}

/** What is wrong with a projection, or with the file that holds it, as the author reads it. */
import path from 'node:path'
import { PlatformError } from '../errors.ts'
import type { AuthorFault } from './author-file.ts'

/** `file:line: problem`, a line each. The file is named from where the program runs, if it lies there. */
export function describeFaults(faults: readonly AuthorFault[]): readonly string[] {
  return faults.map(({ file, line, problem }) => {
    const near = path.isAbsolute(file) ? path.relative('.', file) : file
    const name = near.startsWith('..') ? file : near
    return `${name}${line === 0 ? '' : `:${line}`}: ${problem}`
  })
}

/** A projection that cannot be taken. All its faults are told together, before anything starts. */
export class ProjectionUnfitError extends PlatformError {
  /** @param faults at least one */
  constructor(faults: readonly AuthorFault[]) {
    super('projection_unfit', describeFaults(faults).join('\n'), { faults })
  }
}

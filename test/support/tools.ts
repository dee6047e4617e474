/** Programs that some machines have and others do not. */
import { spawnSync } from 'node:child_process'
import { leaveOut } from './left-out.ts'
import { PROGRAMS, type Program } from './needs.ts'

/**
 * True if every program is there. If not, a skipped test stands for what is left out.
 * @param what is tested with them
 * @throws Error if a missing one is required
 */
export function haveTools(what: string, ...programs: readonly Program[]): boolean {
  const missing = programs.filter(
    (program) => spawnSync(program, PROGRAMS[program], { stdio: 'ignore' }).error !== undefined,
  )
  if (missing.length === 0) return true
  leaveOut(what, `there is no ${missing.join(' and no ')} on this machine`, ...missing)
  return false
}

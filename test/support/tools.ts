/** Programs that some machines have and others do not: without one, a line says what was not tested; with CI=true it fails. */
import { spawnSync } from 'node:child_process'
import { test } from 'vitest'

/**
 * True if every program is there. If not, a test says what was left out.
 * @param what is tested with them
 */
export function haveTools(what: string, ...programs: readonly (readonly string[])[]): boolean {
  const missing = programs
    .filter(([program = '', ...args]) => spawnSync(program, args, { stdio: 'ignore' }).error !== undefined)
    .map(([program]) => program)
  if (missing.length === 0) return true
  const reason = `there is no ${missing.join(' and no ')} on this machine`
  if (process.env['CI'] === 'true') throw new Error(`${what} cannot be tested: ${reason}`)
  process.stderr.write(`Not tested: ${what} (${reason}).\n`)
  test(`${what}: not tested, because ${reason}`, () => undefined)
  return false
}

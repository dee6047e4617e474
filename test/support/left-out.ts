/**
 * Tests that this machine cannot run. Each leaves a line for the end of the run, which test/global-setup.ts prints; where
 * PURSER_TESTS_REQUIRE names what is missing, the test fails instead.
 */
import { appendFileSync, existsSync } from 'node:fs'
import { inject, test, type TestContext } from 'vitest'
import { requiredNeeds, type Need } from './needs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** File that collects a line for all that is left out. */
    leftOut: string
  }
}

/** Leaves a suite out. @throws Error if a need of it is required */
export function leaveOut(what: string, reason: string, ...needs: readonly Need[]): void {
  note(what, reason, needs)
  test(what, ({ skip }) => {
    skip(reason)
  })
}

/** Leaves out the test that runs, unless what it needs is there. @throws Error if the need is required */
export function need({ task, skip }: TestContext, isThere: boolean, reason: string, what: Need): void {
  if (isThere) return
  note(task.name, reason, [what])
  skip(reason)
}

/** Leaves out the test that runs where the system tells nothing of its processes. */
export function needProc(context: TestContext): void {
  need(context, existsSync('/proc/self/stat'), 'this system has no /proc', 'proc')
}

function note(what: string, reason: string, needs: readonly Need[]): void {
  const required = requiredNeeds()
  if (needs.some((name) => required.has(name))) throw new Error(`${what} cannot be tested: ${reason}`)
  appendFileSync(inject('leftOut'), `Not tested: ${what} (${reason}).\n`)
}

/** The program as a person runs it: on a terminal, with keys that are pressed. Needs python3, whose `pty` makes the terminal. */
import { spawnPurser, type Finished } from './purser.ts'
import { until } from './until.ts'

/** As a keyboard sends them. */
export const CTRL_C = '\u0003'
export const CTRL_D = '\u0004'
export const ENTER = '\r'

/** Its own output is what the terminal shows; it ends as the program does. */
const ON_TERMINAL = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'

export interface Terminal {
  /** Everything that was shown, with what moves the cursor and paints. */
  shown(): string
  /** Waits until something is shown behind what was awaited before. */
  untilShown(what: RegExp): Promise<void>
  press(keys: string): void
  readonly finished: Promise<Finished>
}

/** Runs `purser ARGS` on a terminal of its own. */
export function onTerminal(...args: readonly string[]): Terminal {
  const running = spawnPurser(args, {
    under: ['python3', '-c', ON_TERMINAL],
    isTyped: true,
  })
  let seen = 0
  return {
    shown: () => running.stdout(),
    untilShown: async (what) => {
      await until(`${what} is shown`, () => what.test(running.stdout().slice(seen)))
      seen = running.stdout().length
    },
    press: (keys) => void running.child.stdin!.write(keys),
    finished: running.finished,
  }
}

/** The program within a test's own process: for tests of many commands, each of which would take a second to start. */
import { runCommand } from '../../cli/main.ts'
import { createOutput } from '../../cli/output/output.ts'
import { onlyJson } from './purser.ts'

export interface Answered {
  readonly answer: Record<string, unknown>
  /** What went to standard error. */
  readonly text: string
  readonly exitCode: number
}

/** Runs `purser ARGS`, which are to say `--json`. One at a time: the exit code is the process's. */
export async function command(...args: readonly string[]): Promise<Answered> {
  let [stdout, stderr] = ['', '']
  const output = createOutput(true, {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  })
  process.exitCode = 0
  await runCommand(args, output)
  const exitCode = Number(process.exitCode)
  process.exitCode = 0
  return { answer: onlyJson(stdout), text: stderr, exitCode }
}

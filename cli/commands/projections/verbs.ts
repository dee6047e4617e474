/** The verbs that say one thing and are done: pause, resume, reset, rollback, drop, skip. */
import os from 'node:os'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { GivenOptions } from '../../options.ts'
import { CommandFailure } from '../../output/failure.ts'
import type { Output } from '../../output/output.ts'
import type { Run } from '../command.ts'
import { addTarget, ask, givenPosition, givenVersion, requireDone, withTarget } from './operate.ts'

type Flags = GivenOptions & {
  readonly version?: string
  readonly yes?: boolean
  readonly position?: string
  readonly reason?: string
  readonly by?: string
}

interface Verb {
  readonly usage: string
  readonly description: string
  readonly mutation: string
  /** What is said once it is done. */
  readonly said: (name: string, version: number) => string
  readonly takesVersion?: boolean
}

const VERBS: readonly Verb[] = [
  {
    usage: 'pause <NAME>',
    description: 'stop a version where it is, until it is resumed',
    mutation: 'pauseProjection',
    said: (name, version) => `${name} version ${version} is paused. Go on: purser projections resume ${name} --version ${version}`,
    takesVersion: true,
  },
  {
    usage: 'resume <NAME>',
    description: 'let a version go on that was paused, or that a failure had stopped',
    mutation: 'resumeProjection',
    said: (name, version) => `${name} version ${version} goes on.`,
    takesVersion: true,
  },
  {
    usage: 'reset <NAME>',
    description: 'serve a new, empty version at once and fill it from the beginning; `rebuild` spares readers that',
    mutation: 'resetProjection',
    said: (name, version) => `${name} version ${version} serves, and is filled from the beginning of the log.`,
  },
  {
    usage: 'rollback <NAME>',
    description: 'let the version serve again that served before',
    mutation: 'rollbackProjection',
    said: (name, version) => `${name} version ${version} serves again.`,
  },
] // prettier-ignore

export function addVerbs(projections: Command, run: Run): void {
  for (const { usage, description, mutation, said, takesVersion = false } of VERBS) {
    const command = projections.command(usage).description(description)
    if (takesVersion) command.option('--version <N>', 'which; default: the one that serves')
    addTarget(command).action((name: string, options: Flags) =>
      run(options, async (output) => {
        const version = givenVersion(options.version)
        await withTarget(options, output, async ({ url }) => {
          const done = requireDone(await ask(url, mutation, { name: ['String!', name], version: ['Int', version] }))
          output.answer({ ok: true, ...done }, said(done.name, done.version))
        })
      }),
    )
  }
  addDrop(projections, run)
  addSkip(projections, run)
} // prettier-ignore

function addDrop(projections: Command, run: Run): void {
  const command = projections
    .command('drop <NAME> <VERSION>')
    .description('remove a version that is not read, with its tables; asks first')
    .option('--yes', 'do not ask')
  addTarget(command).action((name: string, text: string, options: Flags) =>
    run(options, async (output) => {
      const version = givenVersion(text)!
      if (options.yes !== true) await confirm(`Remove version ${version} of ${name} with its tables?`, output)
      await withTarget(options, output, async ({ url }) => {
        const outcome = await ask(url, 'dropProjection', {
          name: ['String!', name],
          version: ['Int!', version],
        })
        const done = requireDone(outcome)
        output.answer({ ok: true, ...done }, `${name} version ${version} is dropped.`)
      })
    }),
  )
}

/** @throws CommandFailure `usage` if nobody can be asked, or said no */
async function confirm(question: string, output: Output): Promise<void> {
  if (!output.interactive || process.stdin.isTTY !== true)
    throw new CommandFailure('usage', `${question} Nobody can be asked here: say --yes.`)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await new Promise<string>((resolve) => {
      // Ctrl-C and Ctrl-D close it: that is no yes either.
      terminal.once('close', () => resolve(''))
      terminal.question(`${question} [y/N] `).then(resolve, () => resolve(''))
    })
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailure('usage', 'Nothing was done.')
  } finally {
    terminal.close()
  }
}

function addSkip(projections: Command, run: Run): void {
  const command = projections
    .command('skip <NAME>')
    .description('leave out the one event at which a version has stopped; it is recorded, and `purser audit` lists it')
    .option('--position <P>', 'the event, as `status` names it: 0:1042')
    .option('--reason <TEXT>', 'why, for auditors')
    .option('--version <N>', 'which; default: the one that has stopped there')
    .option('--by <WHO>', 'who says so; default: the user of this machine')
  addTarget(command).action((name: string, options: Flags) =>
    run(options, async (output) => {
      const { position: given, reason, by = userName() } = options
      if (given === undefined) throw new CommandFailure('usage', 'Say which event: --position, as `purser projections status` names it.')
      if (reason === undefined || reason.trim() === '') throw new CommandFailure('usage', 'Say why, for auditors: --reason TEXT.')
      const position = givenPosition('--position', given)
      const version = givenVersion(options.version)
      await withTarget(options, output, async ({ url }) => {
        const outcome = await ask(url, 'skipProjectionEvent', {
          name: ['String!', name],
          version: ['Int', version],
          position: ['Position!', position],
          reason: ['String!', reason],
          by: ['String', by],
        })
        const done = requireDone(outcome)
        output.answer({ ok: true, ...done, position, reason, by }, `${name} version ${done.version} goes on without ${given}. It is recorded: ${reason}`)
      })
    }),
  )
} // prettier-ignore

function userName(): string {
  try {
    return os.userInfo().username
  } catch {
    return 'an operator'
  }
}

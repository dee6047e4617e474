/** `purser projections rebuild`: a new version beside the one that serves, watched until it is level. */
import { setTimeout } from 'node:timers/promises'
import type { Command } from 'commander'
import { readTime } from '../../../gateway/positions/times.ts'
import type { GivenOptions } from '../../options.ts'
import { rebuildBar } from '../../output/rebuild-bar.ts'
import { CommandFailure } from '../../output/failure.ts'
import type { Output } from '../../output/output.ts'
import { stopRequested } from '../../shutdown.ts'
import type { Target } from '../../target.ts'
import type { Run } from '../command.ts'
import { versionsOf, type ProjectionVersion } from './list.ts'
import { addTarget, ask, givenPosition, requireDone, withTarget } from './operate.ts'

type Flags = GivenOptions & { readonly share?: string; readonly until?: string; readonly wait: boolean }

const LOOK_EVERY_MS = 500
const EXIT_CODE_INTERRUPTED = 130

export function addRebuild(projections: Command, run: Run): void {
  const command = projections
    .command('rebuild <NAME>')
    .description('fill a new version beside the one that serves, and show how it comes on; run again, it goes on watching')
    .option('--share <S>', 'of the time, how much filling may take: 0.01 to 1; default 0.5')
    .option('--until <WHERE>', 'end at a position (0:1042) or with what was recorded by a time (2026-01-31, or RFC 3339)')
    .option('--no-wait', 'return at once; the rebuild goes on')
  addTarget(command).action((name: string, options: Flags) =>
    run(options, (output) => rebuild(name, options, output)),
  )
} // prettier-ignore

async function rebuild(name: string, options: Flags, output: Output): Promise<void> {
  const share = givenShare(options.share)
  const until = givenUntil(options.until)
  await withTarget(options, output, async (target) => {
    const outcome = await ask(target.url, 'rebuildProjection', {
      name: ['String!', name],
      share: ['Float', share],
      untilPosition: ['Position', until.position],
      untilTime: ['DateTime', until.time],
    })
    const isUnderWay = outcome.code === 'rebuild_under_way'
    const version = isUnderWay ? await builtNow(target.url, name) : requireDone(outcome).version
    if (isUnderWay)
      output.log(
        `Version ${version} of ${name} is being built already, as it was asked for then: drop it to begin anew.`,
      )
    if (options.wait) await watch(target, name, version, output)
    else
      output.answer(
        { ok: true, name, version, done: false },
        `Version ${version} of ${name} is being built. ${howItGoesOn(target, name)}`,
      )
  })
}

/** The version that is being built. */
async function builtNow(url: string, name: string): Promise<number> {
  const built = (await versionsOf(url, name)).find(({ role }) => role === 'BUILDING')
  if (built === undefined)
    throw new CommandFailure('projection_stopped', `The version of ${name} that was being built is gone. Try again.`)
  return built.version
} // prettier-ignore

/** Shows how far it is until it is level with the log as it is now, or somebody presses Ctrl-C. */
async function watch(target: Target, name: string, version: number, output: Output): Promise<void> {
  let isLeft = false
  const left = stopRequested().then(() => (isLeft = true))
  const bar = rebuildBar(output)
  const startedMs = performance.now()
  let goal: bigint | undefined
  let first: bigint | undefined
  try {
    for (;;) {
      const one = (await versionsOf(target.url, name)).find((other) => other.version === version)
      if (one === undefined || one.faults.length > 0) throw stopped(name, version, one)
      const held = BigInt(one.heldEvents)
      goal ??= held + BigInt(one.lagEvents)
      first ??= held
      const rate = Number(held - first) / Math.max(0.001, (performance.now() - startedMs) / 1_000)
      bar.update(held, goal, rate)
      if (held >= goal || one.state === 'COMPLETE') {
        bar.stop()
        const seconds = Math.round((performance.now() - startedMs) / 100) / 10
        return output.answer(
          { ok: true, name, version, done: true, events: held, seconds, eventsPerSecond: Math.round(rate) },
          `Version ${version} of ${name} holds ${held} events. Next: purser projections compare ${name}`,
        )
      }
      await Promise.race([setTimeout(LOOK_EVERY_MS), left])
      if (isLeft) {
        bar.stop()
        process.exitCode = EXIT_CODE_INTERRUPTED
        return output.answer(
          { ok: true, name, version, done: false, events: held },
          `Version ${version} of ${name} is not level yet. ${howItGoesOn(target, name)}`,
        )
      }
    }
  } finally {
    bar.stop()
  }
}

function stopped(name: string, version: number, one: ProjectionVersion | undefined): CommandFailure {
  const [fault] = one?.faults ?? []
  if (fault === undefined)
    return new CommandFailure('projection_stopped', `Version ${version} of ${name} was dropped meanwhile.`)
  const at = fault.sequence === null ? `in partition ${fault.partition}` : `at ${fault.partition}:${fault.sequence}`
  return new CommandFailure(
    'projection_stopped',
    `Version ${version} of ${name} stopped ${at}: ${fault.cause} See: purser projections status ${name}, and skip or resume.`,
    { name, version, fault },
  )
} // prettier-ignore

function howItGoesOn({ own }: Target, name: string): string {
  const when = own === undefined ? 'It goes on by itself' : 'It goes on when the platform runs again'
  return `${when}; watch it: purser projections rebuild ${name}`
}

/** @throws CommandFailure `usage` */
function givenShare(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const share = Number(text)
  if (text.trim() !== '' && share >= 0.01 && share <= 1) return share
  throw new CommandFailure('usage', `--share: expected a number from 0.01 to 1, got "${text}".`)
}

/** @throws CommandFailure `usage` */
function givenUntil(text: string | undefined): { readonly position?: string; readonly time?: string } {
  if (text === undefined) return {}
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text
  if (/^\d{4}-/.test(text)) {
    const reading = readTime(time)
    if ('ns' in reading) return { time }
    throw new CommandFailure('usage', `--until: "${text}" ${reading.wrong}.`)
  }
  return { position: givenPosition('--until', text) }
}

/** `purser demo`: a story in a temporary folder that shows what the platform does, and proves it. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { readConfig } from '../../platform/configuration/config.ts'
import { play, type Step } from '../demo/scenario.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { startPlatform } from '../../platform/embedded-platform.ts'
import { provePlatform } from '../audit/proof.ts'
import { requireRunning } from '../target.ts'
import { VIEW_SETTINGS, viewsOf } from '../views.ts'
import type { AddCommand } from './command.ts'

export const addDemo: AddCommand = (program, run) => {
  const command = program
    .command('demo')
    .description('play a scenario in a temporary folder; exit code 0 only if every step held')
    .option(
      '--url <URL>',
      'play it on this platform, which runs, on accounts of its own; without the proof by replay',
    )
  addSettings(command, VIEW_SETTINGS)
  addJson(command).action((options: GivenOptions) =>
    run(options, (output) => (options.url === undefined ? demo(options, output) : demoOn(options, output))),
  )
}

/** On a platform that runs. */
async function demoOn(options: GivenOptions, output: Output): Promise<void> {
  const startedAtMs = performance.now()
  const url = await requireRunning(options)
  const steps = await play(url, (step) => output.say(describe(step)), randomUUID())
  conclude(output, steps, undefined, startedAtMs)
}

async function demo(options: GivenOptions, output: Output): Promise<void> {
  const startedAtMs = performance.now()
  const views = await viewsOf(options)
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'purser-demo-'))
  try {
    output.say('A platform starts in a temporary folder…\n')
    const config = readConfig({ port: '0', host: '127.0.0.1', data: dataDir }, {})
    const platform = await startPlatform({ ...config, views, graphiql: false, log: () => undefined })
    try {
      const steps = await play(platform.url, (step) => output.say(describe(step)))
      output.say('\nAnd now the log is replayed from zero, to prove the state and the views:')
      const proof = await provePlatform(platform)
      for (const { name, holds, finding } of proof.checks)
        output.say(describe({ title: name, holds, seen: finding }))
      conclude(output, steps, proof, startedAtMs)
    } finally {
      await platform.stop()
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

function conclude(
  output: Output,
  steps: readonly Step[],
  proof: { readonly holds: boolean; readonly checks: readonly object[] } | undefined,
  startedAtMs: number,
): void {
  const ok = proof?.holds !== false && steps.every(({ holds }) => holds)
  const seconds = Math.round(performance.now() - startedAtMs) / 1_000
  const text = ok ? `\nEvery step held (${seconds} s).` : '\nNot every step held.'
  output.answer({ ok, steps, proof, seconds }, text)
  if (!ok) process.exitCode = 1
}

function describe({ title, holds, seen }: Step): string {
  return `  ${holds ? '✓' : '✗'} ${title}\n      ${seen.trimStart()}`
}

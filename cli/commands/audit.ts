/** `purser audit`: is the log whole, and do state and views follow from it? */
import path from 'node:path'
import { auditOffline } from '../audit-offline.ts'
import { auditRunning } from '../audit-running.ts'
import { readConfig } from '../config.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output.ts'
import { describeProof } from '../proof.ts'
import { findRunning } from '../target.ts'
import type { AddCommand } from './command.ts'

export const addAudit: AddCommand = (program, run) => {
  const command = program
    .command('audit')
    .description(
      'replay the log from zero and prove chain, trial balance and views; exit code 0 only if all hold',
    )
  addSettings(command, ['data', 'engineMemory'])
  addJson(command).action((options: GivenOptions) => run(options, (output) => audit(options, output)))
}

async function audit(options: GivenOptions, output: Output): Promise<void> {
  const config = readConfig(options)
  const dataDir = path.resolve(config.dataDir)
  const running = findRunning(options)
  const proof =
    running === undefined
      ? await auditOffline(dataDir, config.engineMemoryBytes, (line) => output.log(line))
      : await auditRunning(running, dataDir)
  output.answer({ ok: proof.holds, running: running !== undefined, ...proof }, describeProof(proof))
  if (!proof.holds) process.exitCode = 1
}

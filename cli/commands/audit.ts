/** `purser audit`: is the log whole, and do state and views follow from it? */
import path from 'node:path'
import { auditOffline } from '../audit/audit-offline.ts'
import { auditRunning } from '../audit/audit-running.ts'
import { auditTopics } from '../audit/audit-topics.ts'
import type { View } from '../../gateway/view.ts'
import { readAuditConfig, readConfig } from '../../platform/configuration/config.ts'
import { CommandFailure } from '../output/failure.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { describeProof, type Proof } from '../audit/proof.ts'
import { settingsOf } from '../../platform/configuration/settings.ts'
import { findRunning } from '../target.ts'
import { VIEW_SETTINGS, viewsOf } from '../views.ts'
import type { AddCommand } from './command.ts'

export const addAudit: AddCommand = (program, run) => {
  const command = program
    .command('audit')
    .description(
      'replay the log from zero and prove chain, trial balance and views, of a data folder or of a deployment on Kafka; ' +
        'exit code 0 only if all hold',
    )
  addSettings(command, ['data', 'engineMemory', ...VIEW_SETTINGS, ...settingsOf('audit')])
  addJson(command).action((options: GivenOptions) => run(options, (output) => audit(options, output)))
}

async function audit(options: GivenOptions, output: Output): Promise<void> {
  const deployment = readAuditConfig(options)
  const views = await viewsOf(options)
  if (deployment === undefined) return auditFolder(options, views, output)
  if (options.data !== undefined)
    throw new CommandFailure(
      'usage',
      '--data names a folder, the others a deployment on Kafka: audit one of them.',
    )
  tell(output, await auditTopics(deployment, views, (line) => output.log(line)), {})
}

async function auditFolder(options: GivenOptions, views: readonly View[], output: Output): Promise<void> {
  const config = readConfig(options)
  const dataDir = path.resolve(config.dataDir)
  const running = findRunning(options)
  const proof =
    running === undefined
      ? await auditOffline(dataDir, config.engineMemoryBytes, views, (line) => output.log(line))
      : await auditRunning(running, dataDir)
  tell(output, proof, { running: running !== undefined })
}

function tell(output: Output, proof: Proof, more: { readonly running?: boolean }): void {
  output.answer({ ok: proof.holds, ...more, ...proof }, describeProof(proof))
  if (!proof.holds) process.exitCode = 1
}

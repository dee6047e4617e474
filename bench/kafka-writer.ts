/** The writer role of `kafka`, a process of its own, without views. */
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startWriterRole, type WriterRole } from '../platform/roles/writer-role.ts'
import type { KafkaSettings } from '../eventlog/kafka/settings.ts'
import { answerParent } from './child.ts'
import { processStatusBytes } from './machine.ts'
import { RoleClock, type RoleCpu } from './role-cpu.ts'

export interface StartAsk {
  readonly settings: KafkaSettings
  /** Snapshots go there. */
  readonly folder: string
  readonly accounts: number
}

/** What the process has used so far. */
export interface WriterUsage {
  readonly cpuSeconds: RoleCpu
  readonly rssBytes: number
}

export type WriterDialogue = {
  /** Starts the role; answered when it serves. */
  readonly start: { readonly ask: StartAsk; readonly answer: undefined }
  readonly usage: { readonly ask: object; readonly answer: WriterUsage }
  readonly stop: { readonly ask: object; readonly answer: undefined }
}

const clock = new RoleClock()
let role: WriterRole | undefined

async function start({ settings, folder, accounts }: StartAsk): Promise<undefined> {
  role = await startWriterRole({
    kafka: settings,
    snapshots: { kind: 'folder', folder: path.join(folder, 'store') },
    scratchDir: path.join(folder, 'scratch'),
    core: { accountsInitial: accounts },
    log: (line) => void process.stderr.write(`${line}\n`),
  })
  void role.failed.then(({ message }) => {
    process.stderr.write(`${message}\n`)
    process.exit(1)
  })
  while (!role.status().ready) await delay(5)
}

answerParent<WriterDialogue>({
  start,
  usage: () => ({ cpuSeconds: clock.now(), rssBytes: processStatusBytes('VmRSS') }),
  async stop() {
    await role?.stop()
    return undefined
  },
})

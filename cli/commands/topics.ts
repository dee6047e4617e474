/** `purser topics`: are the topics of a deployment such that nothing acknowledged can be lost? And creates them. */
import { checkTopics, createTopics, type TopicsReport } from '../../eventlog/kafka/topics.ts'
import type { TopicFault } from '../../eventlog/kafka/topic-rules.ts'
import { readTopicsConfig } from '../config.ts'
import { CommandFailure } from '../failure.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output.ts'
import { settingsOf } from '../settings.ts'
import type { AddCommand } from './command.ts'

type TopicsFlags = GivenOptions & { readonly create?: boolean }

export const addTopics: AddCommand = (program, run) => {
  const command = program
    .command('topics')
    .description(
      'check the Kafka topics of a deployment, and say everything that is wrong; exit code 0 if nothing is',
    )
    .option('--create', 'create those that are missing first; what exists is never changed')
  addSettings(command, settingsOf('topics'))
  addJson(command).action((options: TopicsFlags) => run(options, (output) => topics(options, output)))
}

async function topics(options: TopicsFlags, output: Output): Promise<void> {
  const { kafka, partitions, replication } = readTopicsConfig(options)
  const wanted = { partitions, replication }
  const log = (line: string): void => output.log(line)
  const created = options.create === true ? await createTopics(kafka, wanted, log) : []
  const report = await checkTopics(kafka, wanted, log)
  const { faults } = report
  if (faults.length > 0)
    throw new CommandFailure('topics_unfit', describeFaults(faults), {
      created,
      faults,
      topics: plain(report),
    })
  const { unused } = report
  output.answer(
    { ok: true, created, topics: plain(report), ...(unused === 0 ? {} : { partitionsUnused: unused }) },
    describe(report, created),
  )
}

function plain({ topics }: TopicsReport): readonly object[] {
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.length,
    replication: partitions[0]?.replicas,
  }))
}

function describeFaults(faults: readonly TopicFault[]): string {
  const lines = faults.map(({ topic, problem, remedy }) => `  ${topic}: ${problem}\n      ${remedy}`)
  return `The topics are not as they have to be:\n${lines.join('\n')}\nMend them, and check again.`
}

function describe({ topics, unused }: TopicsReport, created: readonly string[]): string {
  const lines = topics.map(({ name, partitions }) => {
    const done = created.includes(name) ? 'created' : 'as it should be'
    return `${name.padEnd(20)} ${partitions.length} partitions, ${partitions[0]?.replicas} replicas  ${done}`
  })
  if (unused > 0)
    lines.push(
      `${unused} more partitions were added after the first frame was written. Nothing uses them; they cannot be taken away.`,
    )
  return lines.join('\n')
}

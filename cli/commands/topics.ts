/** `purser topics`: are the topics of a deployment such that nothing acknowledged can be lost? And creates them. */
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import {
  checkTopics,
  createTopics,
  settledPartitions,
  type TopicsReport,
} from '../../eventlog/kafka/topics/topics.ts'
import type { TopicFault } from '../../eventlog/kafka/topics/topic-rules.ts'
import { adoptCommands, type Adoption } from '../../writer/distributed/commands/adopt-commands.ts'
import { readTopicsConfig } from '../../platform/configuration/config.ts'
import { CommandFailure } from '../output/failure.ts'
import { addJson, addSettings, type GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import { settingsOf } from '../../platform/configuration/settings.ts'
import type { AddCommand } from './command.ts'

type TopicsFlags = GivenOptions & { readonly create?: boolean; readonly adopt?: boolean }

export const addTopics: AddCommand = (program, run) => {
  const command = program
    .command('topics')
    .description(
      'check the Kafka topics of a deployment, and say everything that is wrong; exit code 0 if nothing is',
    )
    .option(
      '--adopt',
      'have the log go on with the commands topic that is there, which is not the one that it has consumed: for a copy of the ' +
        'events in another cluster, when no writer of the first deployment runs any more',
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
  const adopted = options.adopt === true ? await adoptAll(kafka, log) : []
  const report = await checkTopics(kafka, wanted, log)
  const { faults } = report
  if (faults.length > 0)
    throw new CommandFailure('topics_unfit', describeFaults(faults), {
      created,
      ...(options.adopt === true ? { adopted: adopted.map(shown) } : {}),
      faults,
      topics: plain(report),
    })
  const { unused } = report
  output.answer(
    {
      ok: true,
      created,
      ...(options.adopt === true ? { adopted: adopted.map(shown) } : {}),
      topics: plain(report),
      ...(unused === 0 ? {} : { partitionsUnused: unused }),
    },
    [...adopted.map(describeAdopted), describe(report, created)].join('\n'),
  )
}

/** Partition after partition; what was taken up stays so where a later one fails. */
async function adoptAll(settings: KafkaSettings, log: (line: string) => void): Promise<readonly Adoption[]> {
  const partitions = await settledPartitions(settings, log)
  const adopted: Adoption[] = []
  for (let partition = 0; partition < partitions; partition++) {
    log(`Reading the events of partition ${partition}…`)
    const adoption = await adoptCommands({ settings, partition, partitions, log })
    if (adoption !== undefined) adopted.push(adoption)
  }
  return adopted
}

function shown({ partition, left, start }: Adoption): object {
  const plain = ({ offset, index }: Adoption['start']): object => ({ offset: String(offset), index })
  return { partition, left: plain(left), from: plain(start) }
}

function describeAdopted({ partition, left, start }: Adoption): string {
  return (
    `Partition ${partition}: commands of the topic before were consumed up to offset ${left.offset}; what stood there from it on was ` +
    `never decided. From now on they are taken from offset ${start.offset} of the one that is there.`
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

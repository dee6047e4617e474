/** Damage on a broker's disk, while it runs. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { LENGTH_END, LENGTH_BYTE } from '../../../eventlog/kafka/wire/batch-layout.ts'
import { asAdmin } from './topics.ts'
import type { KafkaSettings } from '../../../eventlog/kafka/settings.ts'

/** Kafka's number for a broker among the things that have a configuration. */
const BROKER_RESOURCE = 4
const FIRST_SEGMENT = '00000000000000000000.log'
/** Flips the last bit of the batch with this first offset. @returns false if the broker's disk is not this machine's */
export async function damageBatch(
  settings: KafkaSettings,
  topic: string,
  partition: number,
  first: bigint,
): Promise<boolean> {
  const folders = await logFolders(settings)
  const file = folders
    .map((folder) => path.join(folder, `${topic}-${partition}`, FIRST_SEGMENT))
    .find((candidate) => existsSync(candidate))
  if (file === undefined) return false
  const bytes = readFileSync(file)
  for (let at = 0; at < bytes.length;) {
    const end = at + LENGTH_END + bytes.readInt32BE(at + LENGTH_BYTE)
    if (bytes.readBigInt64BE(at) === first) {
      bytes[end - 1]! ^= 1
      // In its place: the broker has the file open.
      writeFileSync(file, bytes, { flag: 'r+' })
      return true
    }
    at = end
  }
  throw new Error(`${file} holds no batch that begins at offset ${first}`)
}

async function logFolders(settings: KafkaSettings): Promise<readonly string[]> {
  const { resources } = await asAdmin(settings, async (admin) => {
    const { brokers } = await admin.describeCluster()
    return admin.describeConfigs({
      includeSynonyms: false,
      resources: brokers.map(({ nodeId }) => ({ type: BROKER_RESOURCE, name: String(nodeId) })),
    })
  })
  return resources.flatMap(({ configEntries }) =>
    configEntries.filter(({ configName }) => configName === 'log.dirs').flatMap(({ configValue }) => configValue.split(',')),
  )
} // prettier-ignore

/** The data folder of a broker before its first start, as `kafka-storage format` leaves it. */
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { quickJava, type KafkaProgram } from './java.ts'

const CLUSTER_ID = 'cHVyc2VyLXRlc3RzLTAwMQ'
/** What the controllers begin with: the features of this version of Kafka, the same for every broker. */
const BOOTSTRAP = 'bootstrap.checkpoint'

export interface ToFormat {
  readonly program: KafkaProgram
  readonly nodeId: number
  /** Of `server.properties`. */
  readonly properties: string
  /** Its `log.dirs`. */
  readonly data: string
  /** Who is there from the beginning, as `kafka-storage format --add-scram` takes them. */
  readonly scramUsers: readonly string[]
}

/** A program of Java takes a second of CPU for it: where no users are asked for, what it left the first time is copied. */
export async function formatBroker(broker: ToFormat): Promise<void> {
  const { program, properties, data, scramUsers } = broker
  const kept = `${program.jars}.${BOOTSTRAP}`
  if (scramUsers.length === 0 && copyFormatted(kept, broker)) return
  const users = scramUsers.flatMap((user) => ['--add-scram', user])
  const args = ['format', '-t', CLUSTER_ID, '-c', properties, ...users]
  await promisify(execFile)('java', [...quickJava(program, 'kafka.tools.StorageTool'), ...args])
  if (scramUsers.length > 0) return
  // Aside and renamed, so that nobody copies half of it.
  const aside = `${kept}.${randomUUID()}`
  copyFileSync(path.join(data, BOOTSTRAP), aside)
  renameSync(aside, kept)
}

/** @returns false if there is nothing to copy yet */
function copyFormatted(kept: string, { data, nodeId }: ToFormat): boolean {
  mkdirSync(data, { recursive: true })
  try {
    copyFileSync(kept, path.join(data, BOOTSTRAP))
  } catch {
    return false
  }
  const directoryId = randomBytes(16).toString('base64url')
  const lines = ['version=1', `cluster.id=${CLUSTER_ID}`, `node.id=${nodeId}`, `directory.id=${directoryId}`]
  writeFileSync(path.join(data, 'meta.properties'), `${lines.join('\n')}\n`)
  return true
}

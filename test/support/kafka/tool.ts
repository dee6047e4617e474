/** Kafka's own command line, as an operator runs it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { kafkaProgram, quickJava } from './java.ts'

/** What its scripts call. */
const MAIN_CLASSES = {
  'kafka-acls.sh': 'org.apache.kafka.tools.AclCommand',
  'kafka-configs.sh': 'kafka.admin.ConfigCommand',
} as const

/** Runs it to its end. @throws what it said, if it failed */
export async function kafkaTool(script: keyof typeof MAIN_CLASSES, args: readonly string[]): Promise<void> {
  const java = quickJava(await kafkaProgram(), MAIN_CLASSES[script])
  const { stdout } = await promisify(execFile)('java', [...java, ...args], { timeout: 60_000 })
  // Its exit code is 0 also where a broker said no.
  if (/^Error/m.test(stdout)) throw new Error(stdout)
}

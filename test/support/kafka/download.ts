/** Apache Kafka's own jars from Maven, kept in a cache between runs. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const VERSION = '4.3.0'
const run = promisify(execFile)

/** Kafka cannot be started here, and why. */
export class KafkaUnavailableError extends Error {
  override name = 'KafkaUnavailableError'
}

/** The folder with the jars: in KAFKA_CACHE, or in this user's cache folder. */
export async function kafkaJars(): Promise<string> {
  const cache = process.env['KAFKA_CACHE'] ?? path.join(os.homedir(), '.cache', 'purser')
  const jars = path.join(cache, `kafka-${VERSION}`)
  await need('java', ['-version'])
  if (existsSync(jars)) return jars
  await need('mvn', ['-version'])
  mkdirSync(cache, { recursive: true })
  // Copied aside and renamed, so that a run that is killed leaves no half of it.
  const aside = `${jars}.${process.pid}`
  const pom = fileURLToPath(new URL('./pom.xml', import.meta.url))
  try {
    const goal = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${aside}`]
    await run('mvn', goal, { timeout: 300_000 })
    renameSync(aside, jars)
  } catch (error) {
    if (existsSync(jars)) return jars
    throw new KafkaUnavailableError(
      `Maven could not fetch Kafka ${VERSION}: ${error instanceof Error ? error.message.split('\n').slice(0, 4).join(' ') : String(error)}`,
    )
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
  return jars
}

async function need(program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, args, { timeout: 60_000 })
  } catch {
    throw new KafkaUnavailableError(`${program} is not installed`)
  }
}

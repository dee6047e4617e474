/** How Java runs what is Kafka's in tests: for minutes at most, so what costs time at the start is what counts. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { kafkaJars } from './download.ts'

/** A broker that runs for minutes takes half the time to start, and never earns what the second compiler costs. */
const QUICK_COMPILER = '-XX:TieredStopAtLevel=1'

/** Kafka's jars, and a file beside them with its classes as this Java keeps them in memory. */
export interface KafkaProgram {
  readonly jars: string
  /** A start with it takes half the processor time. It may not be there yet. */
  readonly archive: string
}

/** @throws KafkaUnavailableError without Java or Maven */
export async function kafkaProgram(): Promise<KafkaProgram> {
  const jars = await kafkaJars()
  // Another Java would not take it.
  const { stderr } = await promisify(execFile)('java', ['-version'])
  const java = createHash('sha256').update(stderr).digest('hex').slice(0, 8)
  return { jars, archive: `${jars}.${java}.jsa` }
}

/** Arguments of `java` up to those of the main class. Memory is collected alike everywhere: the archive depends on it. */
export function quickJava({ jars, archive }: KafkaProgram, mainClass: string): string[] {
  const classes = existsSync(archive) ? ['-Xshare:auto', `-XX:SharedArchiveFile=${archive}`] : []
  return [QUICK_COMPILER, ...java(classes, jars, mainClass)]
}

/** As `quickJava`, of a program that leaves the archive behind when it ends in order. */
export function archivingJava({ jars }: KafkaProgram, archive: string, mainClass: string): string[] {
  return [QUICK_COMPILER, ...java([`-XX:ArchiveClassesAtExit=${archive}`], jars, mainClass)]
}

/** As users run it, in what may be measured. */
export function measuredJava({ jars }: KafkaProgram, mainClass: string): string[] {
  return java([], jars, mainClass)
}

function java(more: readonly string[], jars: string, mainClass: string): string[] {
  return ['-Xmx512m', '-XX:+UseSerialGC', ...more, '-cp', `${jars}/*`, mainClass]
}

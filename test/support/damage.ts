/** Damage as a disk does it. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Flips one bit of the first segment in a log's folder and returns the file. */
export function flipBit(folder: string, byte: number): string {
  const name = readdirSync(folder).sort().find((candidate) => !candidate.startsWith('.'))!
  const file = path.join(folder, name)
  const bytes = readFileSync(file)
  bytes[byte] = bytes[byte]! ^ 1
  writeFileSync(file, bytes)
  return file
} // prettier-ignore

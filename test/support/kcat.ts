/** Records from a program that is not ours, in batches that it packs as it is told. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

/** What kcat can pack a batch with. */
export const PACKERS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Packer = (typeof PACKERS)[number]

export interface KcatTarget {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly partition: number
}

/** Ends a record on kcat's input: no record holds it. */
const RECORD_END = '<the record ends here>'
/**
 * Sends records, many to a batch. Resolves when they are stored.
 * @param values long and alike enough that packing pays: kcat sends as it is what does not become shorter
 */
export async function sendByKcat(
  { brokers, topic, partition }: KcatTarget,
  packer: Packer,
  values: readonly (string | Uint8Array)[],
): Promise<void> {
  const target = ['-b', brokers.join(','), '-t', topic, '-p', String(partition)]
  const kcat = spawn('kcat', ['-P', '-q', ...target, '-z', packer, '-D', RECORD_END, '-X', 'linger.ms=50'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    kcat.once('error', reject)
    kcat.once('close', resolve)
  })
  kcat.stdin.end(Buffer.concat(values.flatMap((value) => [Buffer.from(value), Buffer.from(RECORD_END)])))
  const trouble = await text(kcat.stderr)
  const code = await ended
  if (code !== 0) throw new Error(`kcat ended with ${code}: ${trouble}`)
}

/** Records from a program that is not ours, in batches that it packs as it is told. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

/** What kcat can pack a batch with. */
export const PACKERS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Packer = (typeof PACKERS)[number]

/** kcat, as `haveTools` asks for it. */
export const KCAT = ['kcat', '-V'] as const

export interface KcatTarget {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly partition: number
}

/**
 * Sends each line as a record, all of them in one batch if they come together. Resolves when they are stored.
 * @param lines long and alike enough that packing pays: kcat sends as it is what does not become shorter
 */
export async function sendByKcat(
  { brokers, topic, partition }: KcatTarget,
  packer: Packer,
  lines: readonly string[],
): Promise<void> {
  const target = ['-b', brokers.join(','), '-t', topic, '-p', String(partition)]
  const kcat = spawn('kcat', ['-P', '-q', ...target, '-z', packer, '-X', 'linger.ms=50'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    kcat.once('error', reject)
    kcat.once('close', resolve)
  })
  kcat.stdin.end(`${lines.join('\n')}\n`)
  const trouble = await text(kcat.stderr)
  const code = await ended
  if (code !== 0) throw new Error(`kcat ended with ${code}: ${trouble}`)
}

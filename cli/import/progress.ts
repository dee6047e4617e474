/** A progress bar on standard error, where a person watches it. */
import { Presets, SingleBar } from 'cli-progress'
import type { Output } from '../output/output.ts'

export interface ProgressBar {
  update(bytes: number, lines: number): void
  stop(): void
}

/** A bar over a file's bytes; one that shows nothing where nobody watches. */
export function progressBar(output: Output, bytes: number): ProgressBar {
  if (!output.interactive) return { update: () => undefined, stop: () => undefined }
  const format = '{bar} {percentage} %  {lines} lines  {duration_formatted}'
  const bar = new SingleBar({ format, hideCursor: true, stream: process.stderr, clearOnComplete: true }, Presets.shades_classic)
  bar.start(Math.max(1, bytes), 0, { lines: 0 })
  return {
    update: (done, lines) => bar.update(done, { lines }),
    stop: () => bar.stop(),
  }
} // prettier-ignore

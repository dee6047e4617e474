/** How a rebuild comes on, as a bar on standard error, where a person watches it. */
import { Presets, SingleBar } from 'cli-progress'
import type { Output } from './output.ts'

export interface RebuildBar {
  /** @param rate events a second, so far */
  update(held: bigint, goal: bigint, rate: number): void
  /** Safe to repeat. */
  stop(): void
}

const PARTS = 1_000

/** A bar over events; one that shows nothing where nobody watches. */
export function rebuildBar(output: Output): RebuildBar {
  if (!output.interactive) return { update: () => undefined, stop: () => undefined }
  const format = '{bar} {percentage} %  {rate} events/s  {left}'
  const bar = new SingleBar({ format, hideCursor: true, stream: process.stderr, clearOnComplete: true }, Presets.shades_classic)
  bar.start(PARTS, 0, { rate: '0', left: '' })
  return {
    update: (held, goal, rate) => {
      const part = goal === 0n ? PARTS : Number((held * BigInt(PARTS)) / goal)
      const left = rate > 0 ? `${duration(Number(goal - held) / rate)} left` : ''
      bar.update(Math.min(PARTS, part), { rate: Math.round(rate).toLocaleString('en-US'), left })
    },
    stop: () => bar.stop(),
  }
} // prettier-ignore

/** `2 h 5 min`, `40 s` */
function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.ceil(whole / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

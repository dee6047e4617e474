/** The machine that a benchmark ran on, as far as its figures depend on it. */
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly node: string
  readonly kernel: string
  /** Runnable threads over the last minute, before the benchmark: above 0.2 or so, others were at work. */
  readonly loadBefore: number
  /** Raw limits measured in the same run; which ones depends on the benchmark. */
  readonly limits: Readonly<Record<string, number>>
}

export function describeMachine(limits: Readonly<Record<string, number>> = {}): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    node: process.version,
    kernel: release(),
    loadBefore: loadavg()[0]!,
    limits,
  }
}

/** The value of a line `name:   123 kB` of /proc/self/status in bytes; 0 where there is no such file. */
export function processStatusBytes(name: 'VmRSS' | 'VmHWM'): number {
  try {
    const line = readFileSync('/proc/self/status', 'utf8').split('\n')
    const found = line.find((candidate) => candidate.startsWith(`${name}:`))
    return found === undefined ? 0 : Number.parseInt(found.slice(name.length + 1), 10) * 1024
  } catch {
    return 0
  }
}

/** Every benchmark there is. One file each; a new one is a line here. */
import type { Benchmark } from './benchmark.ts'
import { commitBenchmark } from './commit.ts'
import { coreBenchmark } from './core.ts'
import { crossBenchmark } from './cross/cross.ts'
import { kafkaBenchmark } from './kafka.ts'
import { projectBenchmark } from './project/project.ts'
import { restartBenchmark } from './restart.ts'
import { takeoverBenchmark } from './takeover.ts'
import { walkBenchmark } from './walk.ts'

export const BENCHMARKS: readonly Benchmark[] = [
  coreBenchmark,
  commitBenchmark,
  crossBenchmark,
  projectBenchmark,
  restartBenchmark,
  kafkaBenchmark,
  takeoverBenchmark,
  walkBenchmark,
]

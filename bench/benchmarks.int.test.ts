/** Each benchmark, small: that it runs to its end, verifies what it did, and reports in the documented shape. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { withKafka } from '../test/support/kafka.ts'
import { kafkaJars } from '../test/support/kafka/download.ts'
import { TEST_MS_MAX } from '../test/support/patience.ts'
import { leaveOut } from '../test/support/left-out.ts'
import { BENCHMARKS } from './registry.ts'

const root = path.dirname(import.meta.dirname)
const figures = z.record(z.string(), z.number())
const run = {
  workload: z.strictObject({
    name: z.string(),
    accounts: z.int().positive(),
    batch: z.int().positive(),
    commands: z.int().positive(),
    seed: z.int(),
    shareHot: z.number().min(0).max(1),
    shareChecked: z.number().min(0).max(1),
    shareRepeated: z.number().min(0).max(1),
    shareRefused: z.number().min(0).max(1),
  }),
  throughput: z.number().positive(),
  unit: z.string(),
  latencyMs: z
    .strictObject({ p50: z.number(), p99: z.number(), max: z.number() })
    .refine(({ p50, p99, max }) => p50 <= p99 && p99 <= max),
  cpuSeconds: figures,
  bytes: z.strictObject({ written: z.number(), received: z.number(), sent: z.number() }),
  limit: z.strictObject({ name: z.string(), value: z.number().positive() }),
  ratio: z.number().positive(),
  memory: figures,
  verified: z
    .strictObject({
      sent: z.int().positive(),
      accepted: z.int(),
      refused: z.int(),
      repeated: z.int(),
      trialBalance: z.literal('0'),
    })
    .refine(({ sent, accepted, refused, repeated }) => accepted + refused + repeated === sent),
  further: figures,
}
const report = z.strictObject({
  name: z.string(),
  machine: z.strictObject({
    cpu: z.string(),
    cores: z.int().positive(),
    memoryBytes: z.int().positive(),
    node: z.string(),
    kernel: z.string(),
    loadBefore: z.number(),
    limits: figures,
  }),
  ...run,
  targets: z
    .array(
      z.strictObject({
        name: z.string(),
        value: z.number(),
        is: z.enum(['at_least', 'at_most']),
        target: z.number(),
        met: z.boolean(),
      }),
    )
    .min(1),
  runs: z.array(z.strictObject(run)),
})

/** CPU time that each benchmark has to tell. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  core: ['core'],
  commit: ['core', 'log', 'main', 'other'],
  cross: ['core', 'log', 'main', 'other'],
  project: ['engine', 'core', 'log', 'main', 'other'],
  restart: ['core', 'log', 'main', 'other'],
  kafka: ['core', 'main', 'other', 'client'],
  takeover: [],
  walk: [],
}
/** Those that start a Kafka of their own. */
const ON_KAFKA = ['kafka', 'takeover']

interface Said {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

function bench(...args: string[]): Promise<Said> {
  return benchIn({}, ...args)
}

const TAKEOVER_MS_MAX = 300_000
const BENCH_MS_MAX = TEST_MS_MAX - 10_000

async function benchIn(environment: Readonly<Record<string, string>>, ...args: string[]): Promise<Said> {
  try {
    const done = await promisify(execFile)(process.execPath, ['bin/run.js', 'bench/main.ts', ...args], {
      cwd: root,
      timeout: args[0] === 'takeover' ? TAKEOVER_MS_MAX : BENCH_MS_MAX,
      env: { ...process.env, ...environment },
    })
    return { ...done, code: 0 }
  } catch (error) {
    return error as Said
  }
}

async function reports(
  name: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<z.infer<typeof report>> {
  const { stdout, stderr, code } = await benchIn(environment, name, '--quick', '--json')
  expect(code, stderr).toBe(0)
  const { data, error } = report.safeParse(JSON.parse(stdout))
  expect(error).toBeUndefined()
  expect(data!.name).toBe(name)
  for (const role of ROLES[name]!) expect(data!.cpuSeconds).toHaveProperty(role)
  for (const { value, target, is, met } of data!.targets)
    expect(met).toBe(is === 'at_least' ? value >= target : value <= target)
  return data!
}

const NEEDS_JAVA = 'npm run bench -- kafka'
await withKafka(NEEDS_JAVA, async (kafka) => {
  try {
    // Its other half is a program of Kafka's own.
    await kafkaJars()
  } catch (error) {
    leaveOut(NEEDS_JAVA, (error as Error).message, 'kafka')
    return
  }
  test('kafka reports what it measured, a frame’s bytes in each of its shapes, and all of it adds up', async () => {
    const { runs, ...full } = await reports('kafka', { KAFKA_BROKERS: kafka.brokers.join(',') })
    for (const { workload, further, bytes } of [full, ...runs]) {
      const { commands, shareRepeated } = workload
      expect(further['eventsPerFrame']! * further['frames']!).toBeCloseTo(commands * (1 - shareRepeated), 3)
      expect(bytes.written).toBeLessThanOrEqual(bytes.sent)
    }
    const [one] = runs.filter(({ workload }) => workload.name.endsWith('frames of 1'))
    expect(one!.further['eventsPerFrame']).toBe(1)
  })

  test(
    'takeover kills and freezes what it says, loses and doubles nothing, and counts what each cost',
    async () => {
      const { runs, ...first } = await reports('takeover')
      const all = [first, ...runs]
      expect(all.map(({ workload }) => workload.name)).toEqual([
        'kill -9 of a writer',
        'a writer that stands still',
        'kill -9 of a leading broker',
        'full load, nobody killed',
      ])
      for (const { further } of all.slice(0, 2)) expect(further).toHaveProperty('servedMsMax')
      expect(all[2]!.further).toHaveProperty('ledMsMax')
    },
    TAKEOVER_MS_MAX,
  )
})

describe('npm run bench', () => {
  test.each(BENCHMARKS.map(({ name }) => name).filter((name) => !ON_KAFKA.includes(name)))(
    '%s reports what it measured, as one JSON object, and all of it adds up',
    async (name) => {
      await reports(name)
    },
  )

  test('without a name it lists the benchmarks, and with a wrong one it says so and exits with 2', async () => {
    const listed = await bench()
    expect(listed.code).toBe(0)
    for (const { name } of BENCHMARKS) expect(listed.stdout).toContain(name)
    const wrong = await bench('speed')
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toContain('there is no benchmark "speed"')
  })

  test.each([
    ['--batch', '8193'],
    ['--accounts', 'many'],
    ['--workload', 'calm'],
    ['--nonsense', '1'],
  ])('%s %s is refused before anything is measured', async (option, value) => {
    expect(await bench('core', option, value, '--quick')).toMatchObject({ code: 2, stdout: '' })
  })

  test('project measures the sections asked for, and no others', async () => {
    const { stdout } = await bench('project', '--quick', '--json', '--only', 'steady')
    const { workload, runs, further } = report.parse(JSON.parse(stdout))
    const rates = ['1,000', '10,000', '50,000'].map((rate) => `${rate} transfers/s with the views`)
    expect([workload.name, ...runs.map((other) => other.workload.name)]).toEqual(rates)
    expect(further['ranges']).toBeGreaterThan(0)
    const wrong = await bench('project', '--quick', '--only', 'speed')
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toContain('project has the sections fill, code, steady, rebuild')
  })

  test('core takes the workloads asked for, and all of them mixed in one thread', async () => {
    const { stdout } = await bench(
      'core',
      '--quick',
      '--json',
      '--workload',
      'duplicates,mixed',
      '--unlimited',
    )
    const { workload, runs, verified } = report.parse(JSON.parse(stdout))
    expect([workload.name, ...runs.map((other) => other.workload.name)]).toEqual(['duplicates', 'mixed'])
    expect(workload).toMatchObject({ shareChecked: 0, shareRefused: 0 })
    expect(verified.repeated).toBeGreaterThan(0)
  })
})

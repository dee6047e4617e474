/** `npm run bench -- NAME [--json] [options]`: measures one part of the platform and reports it. */
import { OPTIONS_HELP, parseOptions, UsageError } from './options.ts'
import { BENCHMARKS } from './registry.ts'
import { tableOf } from './table.ts'

/** Exits with 2 where the command line cannot be understood, with 1 where a benchmark found something wrong. */
export async function main(args: readonly string[]): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  try {
    const { names, options } = parseOptions(args)
    if (names.length === 0) {
      process.stdout.write(`${usage()}\n`)
      return
    }
    const benchmark = BENCHMARKS.find(({ name }) => name === names[0])
    if (benchmark === undefined || names.length > 1)
      throw new UsageError(`there is no benchmark ${JSON.stringify(names.join(' '))}`)
    const report = await benchmark.run(options, say)
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${tableOf(report)}\n`)
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof RangeError
    say(isUsage ? `${error.message}\n\n${usage()}` : error instanceof Error ? error.stack! : String(error))
    process.exitCode = isUsage ? 2 : 1
  }
}

function usage(): string {
  const names = BENCHMARKS.map(
    ({ name, measures, takes }) => `  ${name.padEnd(10)} ${measures} (${takes})`,
  ).join('\n')
  return `npm run bench -- NAME [options]\n\n${names}\n\n${OPTIONS_HELP}\n\nWhat each figure means: docs/benchmarks.md`
}

/** A report for people: the same figures as in the JSON, as a table. */
import type { Report, Run, Target } from './report.ts'

export function tableOf(report: Report): string {
  const { machine } = report
  const limits = Object.entries(machine.limits).map(([name, value]) => `${name} ${round(value)}`)
  return [
    `${report.name} on ${machine.cpu}, ${machine.cores} cores, ${mebibytes(machine.memoryBytes)} MiB, Node ${machine.node}, ` +
      `Linux ${machine.kernel}, load before ${machine.loadBefore.toFixed(2)}`,
    ...(limits.length === 0 ? [] : [`raw limits of this run: ${limits.join(', ')}`]),
    '',
    ...columns([heads(), ...[report, ...report.runs].map(cells)]),
    '',
    ...[report, ...report.runs].map(details),
    '',
    ...report.targets.map(targetLine),
  ].join('\n')
}

function heads(): string[] {
  return [
    'workload',
    'accounts',
    'batch',
    'throughput',
    'unit',
    'p50 ms',
    'p99 ms',
    'max ms',
    'limit',
    'ratio',
  ]
}

function cells(run: Run): string[] {
  const { workload, latencyMs } = run
  return [
    workload.name,
    round(workload.accounts),
    round(workload.batch),
    round(run.throughput),
    run.unit,
    latencyMs.p50.toFixed(2),
    latencyMs.p99.toFixed(2),
    latencyMs.max.toFixed(2),
    round(run.limit.value),
    run.ratio.toFixed(2),
  ]
}

function details(run: Run): string {
  const { workload, verified } = run
  const share = (value: number): string => `${(value * 100).toFixed(1)} %`
  const list = (values: Readonly<Record<string, number>>): string =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${round(value)}`)
      .join(', ')
  return [
    `${workload.name}: ${round(workload.commands)} commands timed; hot ${share(workload.shareHot)}, ` +
      `checked ${share(workload.shareChecked)}, refused ${share(workload.shareRefused)}, repeated ${share(workload.shareRepeated)}`,
    `    limit: ${run.limit.name}; CPU s: ${list(run.cpuSeconds)}; bytes: ${list({ ...run.bytes })}`,
    `    memory: ${list(run.memory)}`,
    ...(Object.keys(run.further).length === 0 ? [] : [`    further: ${list(run.further)}`]),
    `    verified: ${list({ sent: verified.sent, accepted: verified.accepted, refused: verified.refused, repeated: verified.repeated })}, trial balance 0`,
  ].join('\n')
}

function targetLine(target: Target): string {
  const wanted = `${target.is === 'at_least' ? '≥' : '≤'} ${round(target.target)}`
  return `${target.met ? 'met    ' : 'NOT MET'} ${target.name}: ${round(target.value)} (${wanted})`
}

function round(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}

function mebibytes(bytes: number): string {
  return round(Math.round(bytes / 2 ** 20))
}

/** Rows padded to columns; all but the first to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  )
}

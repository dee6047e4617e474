/** The plainest of code projections: a row for each transfer, no states. */
import type { CodeProjection } from '../../projectors/code-projection.ts'

const flows: CodeProjection = {
  kind: 'code',
  name: 'bench_flows',
  version: 1,
  tables: {
    bench_flows: {
      columns: { debit: 'UInt32', credit: 'UInt32', amount: 'Int64', recorded_at: 'Time' },
      key: ['debit'],
    },
  },
  project: ({ kind, debit, credit, amount, recordedAtNs }) =>
    kind === 'TransferPosted'
      ? {
          bench_flows: [{ debit: debit.number, credit: credit.number, amount, recorded_at: recordedAtNs }],
        }
      : {},
}

export default flows

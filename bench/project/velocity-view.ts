/** A code projection with a state for each account: what it has sent within an hour, and a row where that is unusual. */
import type { CodeProjection } from '../../projectors/code-projection.ts'
import { slidingWindow, type Window } from '../../projectors/kit/window.ts'

const hour = slidingWindow(3_600_000_000_000n, 16)
/** About one transfer in thirty has had as many before it in the default workload. */
const USUAL = 40

const velocity: CodeProjection = {
  kind: 'code',
  name: 'bench_velocity',
  version: 1,
  tables: {
    bench_velocity: {
      columns: { account: 'UInt32', transfers: 'UInt32', amount: 'Int64' },
      key: ['account'],
    },
  },
  keysOf: ({ kind, debit }) => (kind === 'TransferPosted' ? [String(debit.number)] : []),
  initial: () => hour.empty,
  fold: (state, { recordedAtNs, amount }) => hour.add(state as Window, recordedAtNs, amount),
  project: (_event, states) => {
    for (const [key, state] of states) {
      const { count, sum } = state as Window
      if (count > USUAL) return { bench_velocity: [{ account: Number(key), transfers: count, amount: sum }] }
    }
    return {}
  },
}

export default velocity

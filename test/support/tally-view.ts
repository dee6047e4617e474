/** A code projection whose states and rows depend on every event before them: one too many or too few would change them for ever. */
import { codeProjection } from '../../projectors/kit/define.ts'

/** A prime, so that the sum stays small and forgets nothing. */
const MODULUS = 1_000_003n

export default codeProjection({
  name: 'tally',
  version: 1,
  tables: {
    tally: {
      columns: { account: 'UInt32', times: 'UInt32', total: 'Int64', last: 'String' },
      key: ['account'],
    },
  },
  keysOf: ({ debit, credit }) =>
    debit.number === credit.number ? [String(debit.number)] : [String(debit.number), String(credit.number)],
  initial: () => ({ times: 0, total: 0n, last: [] }),
  fold: ({ times, total, last }: { times: number; total: bigint; last: readonly bigint[] }, event) => ({
    times: times + 1,
    total: (total * 31n + event.amount + event.sequence) % MODULUS,
    last: [...last, event.sequence].slice(-3),
  }),
  project: (_event, states) => ({
    tally: [...states].map(([account, { times, total, last }]) => ({
      account: Number(account),
      times,
      total,
      last: last.join(' '),
    })),
  }),
})

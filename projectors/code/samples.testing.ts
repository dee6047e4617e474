/** For tests: events, ranges of them, and a projection whose states and rows depend on every event before. */
import type { CodeProjection } from '../code-projection.ts'
import type { Range } from '../runtime/lanes/range.ts'
import { encodeEvent } from '../../schemas/encode-event.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { NO_SIDE, sampleEvent } from '../../schemas/sample-event.testing.ts'

/** A transfer between two accounts of few, a second behind the one before. */
export function transfer(
  partition: number,
  sequence: number,
  debit: number,
  credit: number,
  fields: Partial<WalletEvent> = {},
): WalletEvent {
  return sampleEvent({
    partition,
    sequence: BigInt(sequence),
    recordedAtNs: 1_700_000_000_000_000_000n + BigInt(sequence) * 1_000_000_000n,
    amount: BigInt(sequence * 7 + 1),
    transferId: { high: (BigInt(sequence) << 16n) | 0x7000n, low: (2n << 62n) | BigInt(partition) },
    debit: { ...NO_SIDE, number: debit },
    credit: { ...NO_SIDE, number: credit },
    ...fields,
  })
}

/** The range of consecutive events of one partition. */
export function rangeOf(events: readonly WalletEvent[]): Range {
  const last = events.at(-1)!
  return {
    first: events[0]!.sequence,
    last: last.sequence,
    payloads: events.map(encodeEvent),
    checkpoint: {
      partition: last.partition,
      sequence: last.sequence,
      hash: new Uint8Array(32),
      recordedAtNs: last.recordedAtNs,
      logOffset: 0n,
    },
  }
}

/** What each account has had, and its last three events: a state that one event too many or too few would change for ever. */
export const turnover: CodeProjection = {
  kind: 'code',
  name: 'turnover',
  version: 1,
  tables: {
    turnover: {
      columns: { account: 'UInt32', times: 'UInt32', total: 'Int64', last: 'String' },
      key: ['account'],
    },
  },
  keysOf: ({ debit, credit }) => [...new Set([debit.number, credit.number])].map((number) => `account ${number}`),
  initial: () => ({ times: 0, total: 0n, last: [] }),
  fold: (state, event) => {
    const { times, total, last } = state as { times: number; total: bigint; last: readonly bigint[] }
    return { times: times + 1, total: total + event.amount, last: [...last, event.sequence].slice(-3) }
  },
  project: (_event, states) => ({
    turnover: [...states].map(([key, state]) => {
      const { times, total, last } = state as { times: number; total: bigint; last: readonly bigint[] }
      return { account: Number(key.slice('account '.length)), times, total, last: last.join(' ') }
    }),
  }),
} // prettier-ignore

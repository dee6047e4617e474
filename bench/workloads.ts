/** The workloads: what the commands of a benchmark have in common, as data. `generator.ts` makes commands of them. */

export interface Workload {
  readonly name: string
  /** For people: what it is like. */
  readonly title: string
  /** Share of transfers that take from the first account. */
  readonly hotSourceShare: number
  /** Share of transfers that go to the second account. */
  readonly hotDestinationShare: number
  /** True: those two shares are the same transfers, from the first account to the second. */
  readonly hotPair: boolean
  /** Every second command ends a hold that the others place. */
  readonly holds: boolean
  /** Transfers linked into one group; 1: none are. */
  readonly linkedTransfers: number
  /** Share that is an earlier command sent again, byte for byte. */
  readonly repeatedShare: number
}

const plain: Omit<Workload, 'name' | 'title'> = {
  hotSourceShare: 0,
  hotDestinationShare: 0,
  hotPair: false,
  holds: false,
  linkedTransfers: 1,
  repeatedShare: 0,
}

export const WORKLOADS: readonly Workload[] = [
  { ...plain, name: 'spread', title: 'transfers between accounts drawn uniformly: the worst for caches' },
  { ...plain, name: 'hot-source', title: 'half of all transfers from one account', hotSourceShare: 0.5 },
  {
    ...plain,
    name: 'hot-destination',
    title: 'half of all transfers to one account',
    hotDestinationShare: 0.5,
  },
  {
    ...plain,
    name: 'hot-pair',
    title: 'half of all transfers from one account to one other',
    hotSourceShare: 0.5,
    hotDestinationShare: 0.5,
    hotPair: true,
  },
  {
    ...plain,
    name: 'holds',
    title: 'holds placed, and each ended 1,024 holds later: three posted, one voided',
    holds: true,
  },
  { ...plain, name: 'linked', title: 'groups of 4 transfers, all or none', linkedTransfers: 4 },
  { ...plain, name: 'duplicates', title: '1 % of all commands sent twice', repeatedShare: 0.01 },
]

/** The workload with this name. Throws RangeError, with the names there are. */
export function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name)
  if (found === undefined)
    throw new RangeError(
      `there is no workload ${JSON.stringify(name)}; there are ${WORKLOADS.map((workload) => workload.name).join(', ')}`,
    )
  return found
}

/** The worlds that are explored: which transfers may be asked for, and over how many channels. */
import type { Coordination } from '../../schemas/commands.ts'
import type { Asked, World } from './state.ts'

const COORDINATIONS: readonly Coordination[] = ['tcc', 'saga']

/** Every pair of protocols. */
const PAIRS = COORDINATIONS.flatMap((first) => COORDINATIONS.map((second) => [first, second] as const))

/** Two transfers: fast enough for every change. */
export const TWO: Readonly<Record<string, World>> = Object.fromEntries(
  PAIRS.flatMap(([first, second]) => [
    [
      `${first} and ${second}, one after the other on one channel`,
      { transfers: [there(first), there(second)], channels: 1 },
    ],
    [
      `${first} and ${second}, side by side or after each other`,
      { transfers: [there(first), there(second)], channels: 2 },
    ],
    [
      `${first} there and ${second} back`,
      { transfers: [there(first), { source: 1, destination: 0, by: second }], channels: 1 },
    ],
    [
      `${first} and ${second} from two sources to one destination`,
      { transfers: [there(first), { source: 2, destination: 1, by: second }], channels: 1 },
    ],
  ]),
)

/** Three transfers: for `npm run explore`. */
export const THREE: Readonly<Record<string, World>> = Object.fromEntries(
  COORDINATIONS.flatMap((by) => [
    [`three by ${by} on one channel`, { transfers: [there(by), there(by), there(by)], channels: 1 }],
    [`three by ${by} on two channels`, { transfers: [there(by), there(by), there(by)], channels: 2 }],
  ]),
)

function there(by: Coordination): Asked {
  return { source: 0, destination: 1, by }
}

/** The program of a child process: runs seeds and prints what they came to, as one line of JSON. */
import { runSeeds } from './run-seeds.ts'
import { nodeTurn } from './turn.ts'

const [from, count, stopAtFailure] = process.argv.slice(2)
const tally = await runSeeds(
  { from: Number(from), count: Number(count), stopAtFailure: stopAtFailure === 'stop' },
  nodeTurn,
)
process.stdout.write(JSON.stringify(tally))

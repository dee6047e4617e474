/** The program of a child process: runs seeds and prints what they came to, as one line of JSON. */
import { runSeeds, runViewsSeeds } from './run-seeds.ts'
import { nodeTurn } from './turn.ts'

const [from, count, stopAtFailure, what] = process.argv.slice(2)
const seeds = { from: Number(from), count: Number(count), stopAtFailure: stopAtFailure === 'stop' }
const tally = what === 'views' ? await runViewsSeeds(seeds) : await runSeeds(seeds, nodeTurn)
process.stdout.write(JSON.stringify(tally))

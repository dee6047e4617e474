/** The program of a child process: runs seeds and prints what they came to, as one line of JSON. */
import { runCrossingsSeeds, runSeeds, runViewsSeeds } from './run-seeds.ts'
import { nodeTurn } from './turn.ts'

const [from, count, stopAtFailure, what] = process.argv.slice(2)
const seeds = { from: Number(from), count: Number(count), stopAtFailure: stopAtFailure === 'stop' }
const run = what === 'views' ? runViewsSeeds : what === 'crossings' ? runCrossingsSeeds : runSeeds
const tally = await run(seeds, nodeTurn)
process.stdout.write(JSON.stringify(tally))

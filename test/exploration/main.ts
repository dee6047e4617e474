/** `npm run explore`: every state that two and three transfers across partitions, a hold, and an id can come to, counted; `--mutants` too. */
import { CLAIM_LAWS, CLAIM_WORLDS, exploreClaim } from './claims.ts'
import { explore, type Exploration } from './explore.ts'
import { exploreHold, HOLD_LAWS } from './holds.ts'
import { MUTANTS } from './mutants.ts'
import type { Searched } from './search.ts'
import { THREE, TWO } from './worlds.ts'

/** Where a world is given up: what is explored today has less than a tenth of them. */
const STATES_MAX = 20_000_000

/** Exits with 1 where a law is broken, a mutant survives, or a world is too large. */
export function main(args: readonly string[]): void {
  const isWell = args.includes('--mutants') ? tryMutants() : tryWorlds()
  process.exitCode = isWell ? 0 : 1
}

function tryWorlds(): boolean {
  let states = 0
  let isWell = true
  for (const [name, world] of Object.entries({ ...TWO, ...THREE })) {
    const found = explore(world, undefined, STATES_MAX)
    states += found.states
    isWell &&= found.isWhole
    print(
      `${String(found.states).padStart(9)} states ${String(found.moves).padStart(9)} moves, at rest after ${found.roundsMax} reminders: ${name}`,
    )
    if (!found.isWhole) print(saidOf(found))
  }
  const take = <Law extends string>(what: string, laws: Readonly<Record<Law, string>>, found: Searched<Law>): void => {
    states += found.states
    isWell &&= found.broken === undefined
    print(`${String(found.states).padStart(9)} states: ${what}`)
    if (found.broken !== undefined) print(`  ${laws[found.broken.law]}\n    ${found.broken.way.join('\n    ')}`)
  } // prettier-ignore
  take('a hold, two posts of parts of it, and its release', HOLD_LAWS, exploreHold())
  for (const [name, world] of Object.entries(CLAIM_WORLDS))
    take(`one id through two doors, ${name}`, CLAIM_LAWS, exploreClaim(world))
  print(`${states} states, ${isWell ? 'no law broken' : 'NOT WELL'}`)
  return isWell
}

function tryMutants(): boolean {
  let isWell = true
  for (const { name, protocol, breaks } of MUTANTS) {
    const found = Object.values(TWO)
      .map((world) => explore(world, protocol))
      .find(({ broken }) => broken?.law === breaks)
    isWell &&= found !== undefined
    print(`${found === undefined ? 'SURVIVED' : 'caught'}: ${name}`)
    if (found !== undefined) print(saidOf(found))
  }
  return isWell
}

function saidOf({ broken }: Exploration): string {
  return broken === undefined
    ? '  more states than are visited'
    : `  ${broken.says}\n    ${broken.way.join('\n    ')}`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

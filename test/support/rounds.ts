/** How many of the cases that a test goes through a run takes: `PURSER_TESTS_ROUNDS=long` takes them all. */

export const ROUNDS_VARIABLE = 'PURSER_TESTS_ROUNDS'

/** @throws Error if the variable says neither `short`, which is what an unset one means, nor `long` */
export function areRoundsLong(environment: NodeJS.ProcessEnv = process.env): boolean {
  const said = environment[ROUNDS_VARIABLE] ?? 'short'
  if (said !== 'short' && said !== 'long')
    throw new Error(`${ROUNDS_VARIABLE} is ${said}; it may be short or long`)
  return said === 'long'
}

/** A number of cases. The short one keeps every assertion of the test within reach. */
export function rounds(short: number, long: number): number {
  return areRoundsLong() ? long : short
}

/** The simulator's one way to say that something does not hold: with what was expected and what was found. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure'
}

export function insist(holds: boolean, expected: string, found?: unknown): asserts holds {
  if (!holds) throw new SimulationFailure(`expected ${expected}; found ${String(found)}`)
}

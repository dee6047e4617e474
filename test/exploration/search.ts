/** Visits every state that can be come to from a beginning, and finds the shortest way to one in which a law is broken. */

export interface Move<State, Law> {
  readonly state: State
  readonly what: string
  readonly broken?: Law
}
export interface Searched<Law> {
  readonly states: number
  readonly broken: { readonly law: Law; readonly way: readonly string[] } | undefined
}

/**
 * States are plain data: those that have the same JSON are one.
 * @param doesEnd false of a state from which not everything ends once nothing goes wrong any more: the law `end` is broken
 */
export function search<State, Law extends string>(
  beginning: State,
  movesOf: (state: State) => readonly Move<State, Law>[],
  doesEnd: (state: State) => boolean,
): Searched<Law | 'end'> {
  const known = new Map<string, readonly [parent: string | undefined, what: string]>()
  const open: State[] = []
  const wayTo = (state: State, ...last: string[]): readonly string[] => {
    const way = [...last]
    for (let key: string | undefined = JSON.stringify(state); key !== undefined; [key] = known.get(key)!)
      way.unshift(known.get(key)![1])
    return way
  }
  const visit = (state: State, parent: string | undefined, what: string): void => {
    const key = JSON.stringify(state)
    if (known.has(key)) return
    known.set(key, [parent, what])
    open.push(state)
  }
  visit(beginning, undefined, 'the beginning')
  for (const state of open) {
    const key = JSON.stringify(state)
    for (const { state: next, what, broken } of movesOf(state)) {
      if (broken !== undefined)
        return { states: known.size, broken: { law: broken, way: wayTo(state, what) } }
      visit(next, key, what)
    }
  }
  const endless = open.find((state) => !doesEnd(state))
  return {
    states: known.size,
    broken: endless === undefined ? undefined : { law: 'end', way: wayTo(endless) },
  }
}

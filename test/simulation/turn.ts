/** How the simulation lets promises run: the one thing of the event loop that it needs. */

/** Lets the event loop come round once: every promise that could go on has, by then. */
export function nodeTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** How the simulation lets promises run: the one thing of the event loop that it needs. */

/**
 * Lets the event loop come round once: every promise that could go on has, by then. What a task of the world resolved may
 * have continuations, which resolve others in turn, all in V8's one queue of microtasks. Node empties that queue before it
 * looks at anything else, so every promise chain has come to rest on a promise that only a later task of the world
 * resolves. The queue is first in, first out, and nothing simulated waits for a real timer, file or socket: the order is a
 * function of the tasks alone.
 */
export function nodeTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

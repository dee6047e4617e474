/**
 * How code that awaits is driven by a scheduler that does not. The world runs one task; what that task resolved may have
 * continuations, which resolve others in turn, all in V8's one queue of microtasks. Node empties that queue before it looks
 * at anything else, so whoever waits here for the next turn of the event loop finds it empty: every promise chain has come
 * to rest on a promise that only a later task of the world resolves. The queue is first in, first out, and nothing of the
 * simulated parts waits for a real timer, file or socket, so the order is a function of the tasks alone: a seed is still a
 * whole history. After every step of a world with views: `await settled()`.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

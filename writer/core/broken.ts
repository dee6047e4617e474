/** Thrown where the core's own logic or its input's chain is broken: the process has to stop, nothing was acknowledged. */
export class CoreBrokenError extends Error {
  override readonly name = 'CoreBrokenError'
}

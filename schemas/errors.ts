/** What was thrown, as text. */

/** The message of what was thrown, whatever that was: JavaScript lets anything be thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

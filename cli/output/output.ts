/**
 * Where a command's words go. With `--json`, standard output carries one JSON object and nothing else; everything that is
 * not the answer (progress, logs, warnings) always goes to standard error.
 */

export interface Output {
  readonly json: boolean
  /** True where a person watches standard error. */
  readonly interactive: boolean
  /** The answer: one per command. With `--json` a second one goes to standard error. */
  answer(object: object, text: string): void
  /** A line for people while the command works: on standard output, or on standard error if that is kept for JSON. */
  say(line: string): void
  /** A line for an operator: always on standard error. */
  log(line: string): void
}

/** The two streams that a command writes to; tests hand in others. */
export interface Streams {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean }
}

export function createOutput(json: boolean, { stdout, stderr }: Streams): Output {
  let isAnswered = false
  return {
    json,
    interactive: stderr.isTTY === true,
    answer(object, text) {
      const stream = json && isAnswered ? stderr : stdout
      isAnswered = true
      stream.write(`${json ? toJson(object) : text}\n`)
    },
    say: (line) => void (json ? stderr : stdout).write(`${line}\n`),
    log: (line) => void stderr.write(`${line}\n`),
  }
}

/** JSON in one line; whole numbers beyond 53 bits are decimal strings, as on every wire of the platform. */
export function toJson(object: object): string {
  return JSON.stringify(object, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
}

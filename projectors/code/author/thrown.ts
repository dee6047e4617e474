/** What an author's code has thrown, told with the line of his file. */
import { messageOf } from '../../../schemas/errors.ts'

/** Longest message that is passed on, in characters. */
const MESSAGE_CHARACTERS_MAX = 500

/** The message of what was thrown, and the line of the author's file at which it was, where that is known. */
export function thrownBy(error: unknown): string {
  const message = messageOf(error)
  const short =
    message.length > MESSAGE_CHARACTERS_MAX ? `${message.slice(0, MESSAGE_CHARACTERS_MAX)}…` : message
  const place = error instanceof Error ? placeIn(error.stack ?? '') : undefined
  return place === undefined ? short : `${short} (${place})`
}

/** `at fold (file:///some/view.ts:12:9)`; of a file that cannot be parsed the stack begins with `file:///some/view.ts:12`. */
const PLACE = /(?:^|[\s(])(?:file:\/\/)?((?:\/|[A-Za-z]:\\)[^\s():]+):(\d+)(?::\d+)?/

/** The first line of a stack that is neither ours nor Node's: `view.ts:12`. */
function placeIn(stack: string): string | undefined {
  for (const line of stack.split('\n')) {
    const [, file, number] = PLACE.exec(line) ?? []
    if (file !== undefined && !OURS.test(file)) return `${file.split(/[/\\]/).at(-1)!}:${number}`
  }
  return undefined
}

/** Our own files between the author's functions and those that call them. */
const OURS = /projectors[/\\]code[/\\](author|values)[/\\]/

/** A fresh id, of a command or of an account. */
import { randomBytes } from 'node:crypto'
import { makeUuidV7, type Id } from '../schemas/ids.ts'

/** A UUIDv7 of now: what every command is identified by, and sent again with when its answer is lost. */
export function newId(): Id {
  return makeUuidV7(Date.now(), randomBytes(10))
}

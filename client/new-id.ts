/** A fresh id, of a command or of an account. */
import { randomBytes } from 'node:crypto'
import { makeUuidV7, type Id } from '../schemas/ids.ts'
import { idBeside } from '../schemas/partitions.ts'

/** A UUIDv7 of now: what every command is identified by, and sent again with when its answer is lost. */
export function newId(): Id {
  return makeUuidV7(Date.now(), randomBytes(10))
}

/**
 * A fresh id for a command of this account: with several partitions it lives in the account's own, which saves the
 * platform a claim of it.
 * @param account the account that is debited, or that the command is about
 * @param partitions of the platform: `BulkClient.partitions`
 */
export function newIdFor(account: Id, partitions: number): Id {
  return idBeside(account, partitions, newId)
}

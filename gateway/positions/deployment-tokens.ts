/** Makes the tokens of this deployment, and takes back only those that fit. All doors decide it here. */
import { createHash } from 'node:crypto'
import type { Position } from '../../schemas/positions.ts'
import { badInput } from '../errors.ts'
import {
  encodeCursor,
  encodePosition,
  OWNER_TAG_BYTES,
  type AccountsCursorKey,
  type CursorToken,
  type HistoryCursorKey,
  type CursorKey,
  type PositionToken,
} from './tokens.ts'

export class DeploymentTokens {
  readonly #deployment: () => string | undefined
  readonly #partitions: number

  /**
   * @param deployment returns undefined while it is not known; tokens that name one are then taken unchecked
   * @param partitions how many there are
   */
  constructor(deployment: () => string | undefined, partitions: number) {
    this.#deployment = deployment
    this.#partitions = partitions
  }

  position(position: Position): string {
    return encodePosition(position, this.#deployment())
  }

  cursor(key: CursorKey): string {
    return encodeCursor(key, this.#deployment())
  }

  /**
   * The position of a token.
   * @param field that held the token, for the error
   * @throws Fault BAD_USER_INPUT if it is of another deployment, or of a partition that does not exist here
   */
  positionIn({ position, deployment }: PositionToken, field: string): Position {
    this.#check(deployment, 'position', field)
    for (const partition of position.keys()) this.#checkPartition(partition, 'position', field)
    return position
  }

  /** The key of a cursor, checked as `positionIn` does. */
  keyIn({ key, deployment }: CursorToken, field: string): CursorKey {
    this.#check(deployment, 'cursor', field)
    this.#checkPartition(key.partition, 'cursor', field)
    return key
  }

  #check(deployment: string | undefined, what: string, field: string): void {
    const own = this.#deployment()
    if (deployment === undefined || own === undefined || deployment === own) return
    throw badInput(
      field,
      `This ${what} is of another deployment. Give one that this deployment has answered, or leave it out.`,
    )
  }

  #checkPartition(partition: number, what: string, field: string): void {
    if (partition < this.#partitions) return
    throw badInput(
      field,
      `This ${what} names partition ${partition}; this deployment has ${this.#partitions}, counted from 0. ` +
        'Give one that this deployment has answered, or leave it out.',
    )
  }
}

/**
 * The key of a cursor in an account's history.
 * @throws Fault BAD_USER_INPUT if the cursor is of another list
 */
export function inHistory(
  key: CursorKey,
  account: { readonly partition: number; readonly account: number },
  field: string,
): HistoryCursorKey {
  if (key.list !== 'history') throw badInput(field, 'This cursor is of a list of accounts, not of a history.')
  if (key.partition !== account.partition || key.account !== account.account)
    throw badInput(field, 'This cursor is of the history of another account.')
  return key
}

/**
 * The key of a cursor in an owner's accounts.
 * @throws Fault BAD_USER_INPUT if the cursor is of another list
 */
export function inAccountsOf(key: CursorKey, owner: string, field: string): AccountsCursorKey {
  if (key.list !== 'accounts')
    throw badInput(field, 'This cursor is of a history, not of a list of accounts.')
  if (key.owner !== ownerTag(owner)) throw badInput(field, 'This cursor is of the accounts of another owner.')
  return key
}

/**
 * The sequence of a position in one partition.
 * @throws Fault BAD_USER_INPUT if the position is of other partitions only, such as that of another account's transfer.
 *   Taken for 0 it would mean the beginning, which nobody asked for
 */
export function sequenceOf(position: Position, partition: number, field: string): bigint {
  const sequence = position.get(partition)
  // A position with no event of any partition is that of a log without events.
  if (sequence !== undefined || [...position.values()].every((one) => one === 0n)) return sequence ?? 0n
  throw badInput(
    field,
    `This position is of other partitions, and says nothing of partition ${partition}. ` +
      'Give that of an entry or a balance of the account, or of any answer about all accounts.',
  )
}

/** The tag of an owner in a cursor. It tells owners apart and reveals nothing of a name. */
export function ownerTag(owner: string): string {
  return createHash('sha256').update(owner).digest().subarray(0, OWNER_TAG_BYTES).toString('hex')
}

/** Commands that no writer has decided. Nothing happened and the id is still free; the caller is told so by a fault. */
import type { SkipReason } from '../../schemas/frame-notes.ts'
import { formatId, type Id } from '../../schemas/ids.ts'
import type { LaneFault } from '../../schemas/lane-results.ts'
import { fault, type Fault } from '../errors.ts'

/** Why a command was not decided. */
export type Undecided =
  /** The time inside its id lies `aheadMs` too far ahead. */
  | { readonly undecided: 'future'; readonly aheadMs: number }
  /** The log says that it was skipped, or does not say what became of it. */
  | { readonly undecided: SkipReason | 'unknown' }

const WHY: Readonly<Record<SkipReason | 'unknown', string>> = {
  unreadable: 'The writer could not read the record that it came in, and passed over it.',
  malformed: 'The writer cannot take it, or one that it is linked with, and passed over it.',
  deleted: 'It was deleted from the queue of commands before a writer took it.',
  unknown: 'It was consumed without an outcome.',
}

/** The fault that the caller gets. */
export function undecidedFault(id: Id, why: Undecided): Fault {
  if (why.undecided === 'future')
    return fault(
      'ID_IN_FUTURE',
      'The time inside this id lies too far in the future. Nothing happened, and the id is not used up: correct the clock that ' +
        'made it. Sent again when its time has come, the same command counts.',
      { id: formatId(id), retryAfterMs: why.aheadMs },
    )
  return fault(
    'NOT_DECIDED',
    `No writer decided this command. ${WHY[why.undecided]} Nothing happened; send it again, with the same id.`,
    { id: formatId(id), reason: why.undecided },
  )
}

/** The same fault on the binary lane. */
export function undecidedLaneFault(why: Undecided): LaneFault {
  return why.undecided === 'future' ? 'id_in_future' : 'not_decided'
}

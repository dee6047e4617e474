/**
 * Decides a claim: from here on its id counts in the partition that the claim names, and in no other. That the id is new
 * has been found out, as for any command; what makes it count once is that it is remembered like any other.
 */
import { EVENT_KINDS } from '../../../schemas/events.ts'
import type { CoreState } from '../state/state.ts'
import type { CallBuffers } from './call-buffers.ts'
import type { Decision } from './decision.ts'
import { writeRow } from './row-writer.ts'

/** Writes the row of a claim whose id is new: it cannot be refused. Returns the row's bytes. */
export function decideClaim(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  decision.kind = EVENT_KINDS.IdClaimed
  decision.refusal = 0
  decision.currency = 0
  decision.debit = 0
  decision.credit = 0
  return writeRow(state, buffers, decision)
}

/**
 * Whether a reversal asks for the same as one that made an event. A fingerprint alone does not tell: it covers what the door
 * filled in as well, and that depends on what the door knew. So the fields are compared that the caller chose; all of them
 * stand in the event.
 */
import type { EventRow } from '../../projectors/views/audit/events.ts'
import type { Command } from '../../schemas/commands.ts'
import { formatId } from '../../schemas/ids.ts'

export function isSameReversal(command: Command, event: EventRow): boolean {
  if (command.kind !== 'ReverseTransfer' || event.command !== 'ReverseTransfer') return false
  const { effectiveAtNs, reference, code = 0, memo = '' } = command
  return (
    event.relatedId === formatId(command.related!) &&
    event.code === code &&
    event.reference === (reference === undefined ? undefined : formatId(reference)) &&
    event.effectiveAtNs === (effectiveAtNs ?? event.recordedAtNs) &&
    // The refusal of a group that is too long carries no text.
    (event.memo === memo || event.refusal === 'linked_too_long')
  )
}

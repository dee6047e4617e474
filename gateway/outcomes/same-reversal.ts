/**
 * Whether a reversal asks for the same as one that made an event. The fingerprint does not tell: it also covers what
 * the door filled in, and that depends on what the door knew at the time. So the fields that the caller chose are
 * compared, as far as the event holds them: not its conditions, nor whether it was to happen by force.
 */
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import type { Command } from '../../schemas/commands.ts'
import { formatId } from '../../schemas/ids.ts'

export function isSameReversal(command: Command, event: PublicEvent): boolean {
  if (command.kind !== 'ReverseTransfer' || event.command !== 'ReverseTransfer') return false
  const { effectiveAtNs, reference, code = 0, memo = '' } = command
  return (
    event.relatedId === formatId(command.related!) &&
    (command.part !== true || event.amount === command.amount) &&
    event.code === code &&
    event.reference === (reference === undefined ? undefined : formatId(reference)) &&
    event.effectiveAtNs === (effectiveAtNs ?? event.recordedAtNs) &&
    // The refusal of a group that is too long carries no text.
    (event.memo === memo || event.refusal === 'linked_too_long')
  )
}

/** The ledger's enums, and other types that every part of a schema uses. */
import { COMMAND_KINDS, type CommandKind } from '../../schemas/commands.ts'
import { EVENT_KINDS, type EventKind } from '../../schemas/events.ts'
import { ID_REFUSALS, REFUSAL_CODES, type RefusalCode } from '../../schemas/refusals.ts'
import type { Builder } from './builder.ts'

export type EnumTypes = ReturnType<typeof addEnums>

export function addEnums(builder: Builder) {
  const EventKindEnum = builder.enumType('EventKind', {
    description: 'What has happened.',
    values: Object.keys(EVENT_KINDS) as EventKind[],
  })

  const CommandKindEnum = builder.enumType('CommandKind', {
    description: 'What was asked.',
    values: Object.keys(COMMAND_KINDS) as CommandKind[],
  })

  const RefusalCodeEnum = builder.enumType('RefusalCode', {
    description: 'Why a command is refused: a closed list, in the order in which the reasons are checked.',
    values: [...Object.keys(REFUSAL_CODES), ...ID_REFUSALS] as RefusalCode[],
  })

  const DirectionEnum = builder.enumType('Direction', {
    description: 'On which side of a transfer an account stands.',
    values: { DEBIT: { value: 'debit' }, CREDIT: { value: 'credit' } } as const,
  })

  builder.enumType('Coordination', {
    description: 'How a transfer from one partition to another is coordinated (docs/coordination.md).',
    values: {
      TCC: {
        value: 'tcc',
        description:
          'Try-Confirm/Cancel: both sides reserve before anything moves. Nothing has to be undone.',
      },
      SAGA: {
        value: 'saga',
        description:
          'Saga: debited at once, credited behind it, and paid back if that is refused. Fewer steps.',
      },
    } as const,
  })

  /** A moment in the past. */
  const AsOfInput = builder.inputType('AsOf', {
    isOneOf: true,
    description: 'A moment: exactly one of these.',
    fields: (t) => ({
      position: t.field({ type: 'Position', description: 'As of this position in the log.' }),
      time: t.field({ type: 'DateTime', description: 'As of this time, by when things were recorded.' }),
      effectiveTime: t.field({
        type: 'DateTime',
        description:
          'As of this time, by when things took effect. What ends a hold takes effect no earlier than the hold.',
      }),
    }),
  })

  return { EventKindEnum, CommandKindEnum, RefusalCodeEnum, DirectionEnum, AsOfInput }
}

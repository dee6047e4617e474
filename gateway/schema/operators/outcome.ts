/** What comes of an operation. What cannot be done is data: it has a code, and the comparison if there was one. */
import {
  OPERATION_REFUSALS,
  type OperationDone,
  type OperationOutcome,
  type OperationRefusalCode,
  type OperationRefused,
} from '../../../projectors/registry/operations.ts'
import type { SchemaKit } from '../kit.ts'
import type { addComparison } from './comparison.ts'

export function addOutcome({ builder }: SchemaKit, { ComparisonType }: ReturnType<typeof addComparison>) {
  const RefusalEnum = builder.enumType('ProjectionRefusalCode', {
    description: 'Why an operation on a projection is refused.',
    values: Object.fromEntries(
      Object.entries(OPERATION_REFUSALS).map(([code, description]) => [code, { value: code, description }]),
    ) as Record<OperationRefusalCode, { value: OperationRefusalCode; description: string }>,
  })
  const Done = builder.objectRef<OperationDone>('ProjectionDone').implement({
    description: 'It is said, and whoever fills the views acts on it within a second.',
    isTypeOf: (value) => (value as OperationOutcome).kind === 'done',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version', { description: 'The version that it was about.' }),
      comparison: t.field({
        type: ComparisonType,
        nullable: true,
        resolve: ({ comparison }) => comparison ?? null,
      }),
    }),
  })
  const Refused = builder.objectRef<OperationRefused>('ProjectionRefused').implement({
    description: 'Nothing was done.',
    isTypeOf: (value) => (value as OperationOutcome).kind === 'refused',
    fields: (t) => ({
      code: t.field({ type: RefusalEnum, resolve: ({ code }) => code }),
      message: t.exposeString('message'),
      comparison: t.field({
        type: ComparisonType,
        nullable: true,
        description: 'What was compared, where that is the reason.',
        resolve: ({ comparison }) => comparison ?? null,
      }),
    }),
  })
  const Outcome = builder.unionType('ProjectionOutcome', { types: [Done, Refused] })
  return { Outcome }
}

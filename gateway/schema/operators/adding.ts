/** An SQL projection that an operator sends: it is data. */
import type { ProjectionTable } from '../../../projectors/projection.ts'
import type { SchemaKit } from '../kit.ts'
import type { addOutcome } from './outcome.ts'
import { requireOperations } from './require-operations.ts'

export function addAdding({ builder }: SchemaKit, { Outcome }: ReturnType<typeof addOutcome>): void {
  const Column = builder.inputType('ProjectionColumnInput', {
    fields: (t) => ({ name: t.string({ required: true }), type: t.string({ required: true }) }),
  })
  const Highest = builder.inputType('ProjectionHighestInput', {
    fields: (t) => ({ column: t.string({ required: true }), past: t.string({ required: true }) }),
  })
  const Table = builder.inputType('ProjectionTableInput', {
    description: 'A table of an SQL projection (docs/projections.md).',
    fields: (t) => ({
      name: t.string({ required: true }),
      columns: t.field({ type: [Column], required: true }),
      key: t.stringList({ required: true }),
      select: t.string({ required: true, description: 'What stands between SELECT and FROM.' }),
      where: t.string(),
      highest: t.field({ type: Highest }),
      indexes: t.stringList(),
      mergedPartBytesMax: t.float(),
    }),
  })
  const Partitioning = builder.enumType('ProjectionPartitioning', {
    values: { ACCOUNT: { value: 'account' }, WHOLE: { value: 'whole' } } as const,
  })
  const Definition = builder.inputType('ProjectionDefinitionInput', {
    description: 'An SQL projection. Code is added by starting with its file.',
    fields: (t) => ({
      name: t.string({ required: true }),
      version: t.int({ required: true }),
      partitioning: t.field({ type: Partitioning }),
      tables: t.field({ type: [Table], required: true }),
    }),
  })
  builder.mutationField('addProjection', (t) =>
    t.field({
      type: Outcome,
      description: 'Adds an SQL projection; it is filled from the first event on, and goes live by itself.',
      args: { definition: t.arg({ type: Definition, required: true }) },
      resolve: (_root, { definition: { name, version, partitioning, tables } }, { services }) =>
        requireOperations(services).add({
          kind: 'sql',
          name,
          version,
          ...(partitioning ? { partitioning } : {}),
          tables: tables.map(tableOf),
        }),
    }),
  )
}

/** As the input says it: what is left out is null or missing. */
interface TableInput {
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly key: readonly string[]
  readonly select: string
  readonly where?: string | null | undefined
  readonly highest?: { readonly column: string; readonly past: string } | null | undefined
  readonly indexes?: readonly string[] | null | undefined
  readonly mergedPartBytesMax?: number | null | undefined
}

function tableOf({
  columns,
  where,
  highest,
  indexes,
  mergedPartBytesMax,
  ...rest
}: TableInput): ProjectionTable {
  return {
    ...rest,
    columns: columns.map(({ name, type }) => [name, type] as const),
    ...(where ? { where } : {}),
    ...(highest ? { highest: { column: highest.column, past: highest.past } } : {}),
    ...(indexes ? { indexes } : {}),
    ...(mergedPartBytesMax ? { mergedPartBytesMax } : {}),
  }
}

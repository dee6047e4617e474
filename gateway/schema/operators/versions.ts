/** Every version of every projection, for operators. */
import type { Fault } from '../../../projectors/registry/faults.ts'
import type { Skip } from '../../../projectors/registry/skips.ts'
import type { VersionStatus } from '../../../projectors/registry/version-status.ts'
import { NS_PER_MS } from '../../../schemas/time.ts'
import { positionAt } from '../../positions/tokens.ts'
import type { SchemaKit } from '../kit.ts'
import type { addProjections } from './projections.ts'
import { requireOperations } from './require-operations.ts'

type ProjectionTypes = ReturnType<typeof addProjections>

export function addVersions({ builder }: SchemaKit, { ProjectionStateEnum }: ProjectionTypes): void {
  const RoleEnum = builder.enumType('VersionRole', {
    values: {
      BUILDING: { value: 'building', description: 'It is filled, and not read.' },
      SERVING: { value: 'serving', description: 'It is read. There is one of each projection.' },
      KEPT: {
        value: 'kept',
        description: 'It served before, and is filled on, so that it can again at once.',
      },
      DROPPED: { value: 'dropped' },
    } as const,
  })
  const KindEnum = builder.enumType('ProjectionKind', {
    values: { SQL: { value: 'sql' }, CODE: { value: 'code' }, SINK: { value: 'sink' } } as const,
  })

  const FaultType = builder.objectRef<Fault>('ProjectionFault').implement({
    description: 'What stopped a version in a partition.',
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      sequence: t.field({
        type: 'UInt64',
        nullable: true,
        description: 'The event that could not be taken. Null: it was none.',
        resolve: ({ sequence }) => (sequence === 0n ? null : sequence),
      }),
      position: t.field({
        type: 'Position',
        nullable: true,
        description: 'The same, as `skipProjectionEvent` takes it.',
        resolve: (fault) => (fault.sequence === 0n ? null : positionAt(fault)),
      }),
      cause: t.exposeString('cause'),
      at: t.field({ type: 'DateTime', resolve: ({ atMs }) => BigInt(atMs) * NS_PER_MS }),
    }),
  })

  const SkipType = builder.objectRef<Skip>('ProjectionSkip').implement({
    description: 'An event that an operator has left out of a version.',
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      sequence: t.field({ type: 'UInt64', resolve: ({ sequence }) => sequence }),
      position: t.field({ type: 'Position', resolve: (skip) => positionAt(skip) }),
      reason: t.exposeString('reason'),
      by: t.exposeString('by', { description: 'Who said so, as they named themselves.' }),
      at: t.field({ type: 'DateTime', resolve: ({ atMs }) => BigInt(atMs) * NS_PER_MS }),
    }),
  })

  const ProjectionVersion = builder.objectRef<VersionStatus>('ProjectionVersion').implement({
    description: 'One version of a projection, with tables of its own.',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version'),
      declared: t.exposeInt('declared', { description: 'The count of its author, of what it was made of.' }),
      kind: t.field({ type: KindEnum, resolve: ({ kind }) => kind }),
      role: t.field({ type: RoleEnum, resolve: ({ role }) => role }),
      state: t.field({ type: ProjectionStateEnum, resolve: ({ state }) => state }),
      position: t.field({ type: 'Position', resolve: ({ position }) => position }),
      head: t.field({ type: 'Position', resolve: ({ head }) => head }),
      lagEvents: t.field({
        type: 'UInt64',
        description: 'Events that it has to hold and does not.',
        resolve: ({ lagEvents }) => lagEvents,
      }),
      heldEvents: t.field({
        type: 'UInt64',
        description: 'Events that it holds.',
        resolve: ({ position }) => [...position.values()].reduce((sum, sequence) => sum + sequence, 0n),
      }),
      progress: t.exposeFloat('progress', {
        description: 'Of what it has to hold, how much it holds: 0 to 1.',
      }),
      recordedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When its newest event was recorded. Null: it is empty.',
        resolve: ({ recordedAtNs }) => (recordedAtNs === 0n ? null : recordedAtNs),
      }),
      share: t.exposeFloat('share', {
        description: 'Of the time, how much it may spend on filling while it is being built: 0 to 1.',
      }),
      untilPosition: t.field({
        type: 'Position',
        nullable: true,
        description: 'Where it ends. Null: it goes on, or ends at a time.',
        resolve: ({ until }) => (until !== undefined && 'position' in until ? until.position : null),
      }),
      untilTime: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'It ends with the last event that was recorded by then. Null: it goes on, or ends at a position.',
        resolve: ({ until }) => (until !== undefined && 'timeNs' in until ? until.timeNs : null),
      }),
      faults: t.field({
        type: [FaultType],
        description: 'What stopped it, by partition.',
        resolve: ({ faults }) => [...faults],
      }),
      skips: t.field({ type: [SkipType], resolve: ({ skips }) => [...skips] }),
      reason: t.exposeString('reason', { description: 'Why it has its role.' }),
    }),
  })

  builder.queryField('projectionVersions', (t) =>
    t.field({
      type: [ProjectionVersion],
      description: 'Every version of every projection that is not dropped. For operators.',
      args: { name: t.arg.string({ description: 'Only of this projection. Default: of all.' }) },
      resolve: async (_root, { name }, { services }) => {
        const all = await requireOperations(services).list()
        return all.filter((one) => !name || one.name === name)
      },
    }),
  )
}

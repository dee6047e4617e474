/** How far the views are that readers read: as a query, and as it changes. */
import type { LagTrend } from '../../../projectors/runtime/lag-trend.ts'
import { isPumpAlive, type ProjectionStatus } from '../../../projectors/runtime/status.ts'
import { projectionStatus } from '../../live/projection-status.ts'
import { AFTER_TEXT } from '../find.ts'
import type { SchemaKit } from '../kit.ts'

/** Adds the query `projections` and the subscription `projectionStatus`. @returns the enum of states */
export function addProjections({ builder }: SchemaKit) {
  const ProjectionStateEnum = builder.enumType('ProjectionState', {
    values: {
      CATCHING_UP: { value: 'catching-up' },
      LIVE: { value: 'live' },
      PAUSED: { value: 'paused' },
      RETRYING: { value: 'retrying' },
      STALLED: {
        value: 'stalled',
        description: 'What it asked of the view store, or of who runs it, has had no answer for long.',
      },
      STOPPED: { value: 'stopped' },
      COMPLETE: { value: 'complete', description: 'It was to end at a position, and has.' },
    } as const,
  })

  const LagDirectionEnum = builder.enumType('LagDirection', {
    values: {
      GROWING: { value: 'growing' },
      SHRINKING: { value: 'shrinking' },
      LEVEL: { value: 'level' },
    } as const,
  })

  const LagTrendType = builder.objectRef<LagTrend>('LagTrend').implement({
    description: 'Where a lag has been going: the slope of samples over the last 15 minutes.',
    fields: (t) => ({
      direction: t.field({ type: LagDirectionEnum, resolve: ({ direction }) => direction }),
      eventsPerSecond: t.exposeFloat('eventsPerSecond', {
        description: 'By how many events a second it grows; below 0: it shrinks.',
      }),
      seconds: t.exposeInt('seconds', { description: 'Over how many seconds that was seen.' }),
    }),
  })

  const Projection = builder.objectRef<ProjectionStatus>('Projection').implement({
    description: 'What turns events into a view, and how far it is.',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version'),
      state: t.field({ type: ProjectionStateEnum, resolve: ({ state }) => state }),
      position: t.field({
        type: 'Position',
        description: 'Up to where its view holds everything.',
        resolve: ({ position }) => position,
      }),
      head: t.field({ type: 'Position', description: 'The end of the log.', resolve: ({ head }) => head }),
      lagEvents: t.field({
        type: 'UInt64',
        description: 'Events that are in the log and not in the view.',
        resolve: ({ lagEvents }) => lagEvents,
      }),
      lagSeconds: t.exposeFloat('lagSeconds', { description: 'Age of the oldest of these.' }),
      lagTrend: t.field({
        type: LagTrendType,
        nullable: true,
        description: 'Where the lag has been going. Null: the platform has only just begun.',
        resolve: ({ trend }) => trend ?? null,
      }),
      pumpAlive: t.boolean({
        description: 'False if what fills it has stopped, or has not looked for work for 30 seconds.',
        resolve: (status) => isPumpAlive(status),
      }),
      pumpAgeSeconds: t.exposeFloat('pumpAgeSeconds', {
        description:
          'Seconds since its pump moved or found nothing to do: no lag behind a dead pump is no good news.',
      }),
      recordedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When the newest event in the view was recorded. Null: it is empty.',
        resolve: ({ recordedAtNs }) => (recordedAtNs === 0n ? null : recordedAtNs),
      }),
      failure: t.string({
        nullable: true,
        description: 'What it stopped or retries for.',
        resolve: ({ failure }) => failure ?? null,
      }),
    }),
  })

  builder.queryField('projections', (t) =>
    t.field({
      type: [Projection],
      description: 'The running projections with their lag.',
      args: { after: t.arg({ type: 'Position', description: AFTER_TEXT }) },
      resolve: async (_root, { after }, context) => {
        // This field is answered whatever state the views are in.
        if (after) await context.point.later(after)
        return [...context.services.projections.status()]
      },
    }),
  )

  builder.subscriptionField('projectionStatus', (t) =>
    t.field({
      type: Projection,
      description:
        'How far each projection is, then each change of its state, version, lag or position: of one projection at most ' +
        'two a second, and for who reads slowly fewer, always the newest.',
      args: { name: t.arg.string({ description: 'Only this projection. Default: all.' }) },
      subscribe: (_root, { name }, { services }) => projectionStatus(services.projections, name ?? undefined),
      resolve: (status: ProjectionStatus) => status,
    }),
  )

  return { ProjectionStateEnum }
}

/** Queries of the ledger itself: nodes by id, transfers, and how far the projections are. */
import type { ProjectionStatus } from '../../projectors/runtime/status.ts'
import { formatId } from '../../schemas/ids.ts'
import type { ReadPoint } from '../read/read-points.ts'
import type { RequestContext } from '../services.ts'
import type { AccountModel } from './account.ts'
import { AFTER_TEXT, findAt, readAccount } from './find.ts'
import type { SchemaKit } from './kit.ts'
import { transferModel, type TransferModel } from './transfer.ts'

async function readTransferAt(
  { services }: RequestContext,
  id: string,
  point: ReadPoint,
): Promise<TransferModel | undefined> {
  const [own, related] = await Promise.all([
    services.views.events(point, id),
    services.views.related(point, id),
  ])
  return transferModel(own, related)
}

export function addQueries({ builder, Node, Transfer }: SchemaKit): void {
  builder.queryField('node', (t) =>
    t.field({
      type: Node,
      nullable: true,
      description: 'The account or transfer with this id; the account, where both have it.',
      args: {
        id: t.arg.id({ required: true }),
        after: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { id, after }, context) => {
        const text = id.toLowerCase()
        if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return null
        const point = await context.point.at(after)
        const node = await findAt<AccountModel | TransferModel>(context, point, async (at) => {
          const [account, transfer] = await Promise.all([
            readAccount(context, text, at),
            readTransferAt(context, text, at),
          ])
          return account ?? transfer
        })
        return node?.found ?? null
      },
    }),
  )

  builder.queryField('transfer', (t) =>
    t.field({
      type: Transfer,
      nullable: true,
      description: 'A transfer, hold, or what ended one. Null: none has this id.',
      args: {
        id: t.arg({ type: 'UUID', required: true }),
        after: t.arg({ type: 'Position', description: AFTER_TEXT }),
      },
      resolve: async (_root, { id, after }, context) => {
        const point = await context.point.at(after)
        const transfer = await findAt(context, point, (at) => readTransferAt(context, formatId(id), at))
        return transfer?.found ?? null
      },
    }),
  )

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
}

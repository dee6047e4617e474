/** The Node interface and page information of the Relay specification (relay.dev/graphql). */
import type { Builder } from './builder.ts'
import type { CursorKey } from '../positions/tokens.ts'

/** A node, known by its own UUID. An id does not tell an account from a transfer: both are looked up. */
export interface NodeModel {
  readonly nodeId: string
}

export interface PageInfoModel {
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  readonly startCursor: CursorKey | undefined
  readonly endCursor: CursorKey | undefined
}

export type NodeTypes = ReturnType<typeof addNodes>

export function addNodes(builder: Builder) {
  const Node = builder.interfaceRef<NodeModel>('Node').implement({
    description: 'Something with an id. The id is the UUID itself.',
    fields: (t) => ({ id: t.exposeID('nodeId') }),
  })

  const PageInfo = builder.objectRef<PageInfoModel>('PageInfo').implement({
    fields: (t) => ({
      hasNextPage: t.exposeBoolean('hasNextPage'),
      hasPreviousPage: t.exposeBoolean('hasPreviousPage'),
      startCursor: t.field({
        type: 'Cursor',
        nullable: true,
        resolve: ({ startCursor }) => startCursor ?? null,
      }),
      endCursor: t.field({ type: 'Cursor', nullable: true, resolve: ({ endCursor }) => endCursor ?? null }),
    }),
  })

  return { Node, PageInfo }
}

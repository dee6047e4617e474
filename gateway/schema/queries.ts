/** Queries of the ledger itself: nodes by id, and transfers. */
import { formatId } from '../../schemas/ids.ts'
import type { AccountModel } from './account.ts'
import { AFTER_TEXT, findAt, readAccount } from './find.ts'
import type { SchemaKit } from './kit.ts'
import { readTransferAt, type TransferModel } from './transfers/model.ts'

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
            readTransferAt(context.services, text, at),
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
        const transfer = await findAt(context, point, (at) =>
          readTransferAt(context.services, formatId(id), at),
        )
        return transfer?.found ?? null
      },
    }),
  )
}

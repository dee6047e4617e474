/**
 * The kit that every part of a schema is built with: the builder, and the types that parts share. Each schema has its
 * own.
 */
import { addAccount } from './account.ts'
import { createBuilder } from './builder.ts'
import { addEnums } from './enums.ts'
import { addMoney } from './money.ts'
import { addNodes } from './node.ts'
import { addTransfer } from './transfer.ts'

export type SchemaKit = ReturnType<typeof createKit>

export function createKit() {
  const builder = createBuilder()
  const shared = { ...addEnums(builder), ...addNodes(builder), ...addMoney(builder) }
  return { builder, ...shared, ...addAccount(builder, shared), ...addTransfer(builder, shared) }
}

/** A schema builder, with the scalars that every part of a schema uses. */
import SchemaBuilder from '@pothos/core'
import { GraphQLError, Kind, type ValueNode } from 'graphql'
import type { Coordination } from '../../schemas/commands.ts'
import type { Id } from '../../schemas/ids.ts'
import { formatId } from '../../schemas/ids.ts'
import type { Position } from '../../schemas/positions.ts'
import { badInput } from '../errors.ts'
import type { RequestContext } from '../services.ts'
import { formatTime } from '../positions/times.ts'
import type { CursorKey } from '../positions/tokens.ts'
import { Literal, READERS, type ValueType } from '../commands/values.ts'

/** What resolvers are given, and what the scalars are to them. */
export interface SchemaTypes {
  Context: RequestContext
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    UUID: { Input: Id; Output: Id | string }
    MinorUnits: { Input: bigint; Output: bigint }
    Position: { Input: Position; Output: Position }
    Cursor: { Input: CursorKey; Output: CursorKey }
    DateTime: { Input: bigint; Output: bigint }
    UInt32: { Input: number; Output: number }
    UInt64: { Input: bigint; Output: bigint }
  }
  Inputs: { Coordination: Coordination }
}

export type Builder = ReturnType<typeof createBuilder>

/** Makes the builder of one schema. Builders share nothing. */
export function createBuilder() {
  const builder = new SchemaBuilder<SchemaTypes>({ defaultFieldNullability: false })
  addScalars(builder)
  builder.queryType({ description: 'Reads. Each is answered at one position, which it states.' })
  builder.mutationType({
    description:
      'Commands. Each answers what came of it: the outcome, or a refusal with its reason. Both are read back from the log.',
  })
  builder.subscriptionType({ description: 'Outcomes and entries as they happen.' })
  return builder
}

/** Reads a scalar as bulk HTTP reads the same type. */
function readAs<Type extends ValueType>(type: Type): (raw: unknown) => never {
  return (raw) => {
    const reading = READERS[type](raw)
    if ('wrong' in reading) throw badInput(undefined, reading.wrong)
    return reading.value as never
  }
}

/**
 * The value of a literal for a reader. One that no scalar of ours takes is handed on as its text, or as an empty list
 * or object.
 */
function literalOf(node: ValueNode): unknown {
  switch (node.kind) {
    case Kind.STRING:
      return node.value
    case Kind.INT:
      return Number.isSafeInteger(Number(node.value)) ? Number(node.value) : new Literal(node.value)
    case Kind.BOOLEAN:
      return node.value
    case Kind.NULL:
      return null
    case Kind.LIST:
      return []
    case Kind.OBJECT:
      return {}
    case Kind.FLOAT:
    case Kind.ENUM:
      return new Literal(node.value)
    case Kind.VARIABLE:
      return new Literal(`$${node.name.value}`)
  }
}

/** Reads a literal of a query. Our scalars are strings and whole numbers; no list or object is one. */
function literalAs<Type extends ValueType>(type: Type): (node: ValueNode) => never {
  const read = readAs(type)
  return (node) => {
    try {
      return read(literalOf(node))
    } catch (error) {
      // The node leads to the field's name.
      const { message, extensions } = error as GraphQLError
      throw new GraphQLError(message, { nodes: node, extensions })
    }
  }
}

/** A builder without scalars. */
type Bare = Pick<Builder, 'scalarType'>

function addScalars(builder: Bare): void {
  const scalar = <
    Type extends ValueType &
      ('UUID' | 'MinorUnits' | 'Position' | 'Cursor' | 'DateTime' | 'UInt32' | 'UInt64'),
  >(
    name: Type,
    description: string,
    serialize: (value: never) => string | number,
  ): void => {
    builder.scalarType(name, {
      description,
      serialize: serialize as (value: unknown) => string | number,
      parseValue: readAs(name),
      parseLiteral: literalAs(name),
    })
  }

  scalar('UUID', 'A UUID in its canonical text form of 36 characters.', (id: Id | string) =>
    typeof id === 'string' ? id : formatId(id),
  )
  scalar(
    'MinorUnits',
    'A whole number of minor units of a currency, as a string of decimal digits: "1250". Never a JSON number.',
    (minor: bigint) => minor.toString(),
  )
  // token-fields.ts translates both: text outside, positions and cursor keys in resolvers.
  scalar(
    'Position',
    'How far something is in the log. Opaque: hand it back, compare it for equality, nothing else. It belongs to the deployment that gave it.',
    (token: string) => token,
  )
  scalar(
    'Cursor',
    'A place in a list, which is a place in the log. Opaque. It belongs to the list that it was given in.',
    (token: string) => token,
  )
  scalar('DateTime', 'A point in time, RFC 3339, in UTC, with up to nine decimals.', (ns: bigint) =>
    formatTime(ns),
  )
  scalar('UInt32', 'A whole number from 0 to 4294967295.', (value: number) => value)
  scalar('UInt64', 'A whole number of up to 64 bits, as a string of decimal digits.', (value: bigint) =>
    String(value),
  )
}

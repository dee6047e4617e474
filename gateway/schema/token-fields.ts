/**
 * Translates positions and cursors on their way through the schema. A token belongs to a deployment, but a scalar does
 * not know the request that it is read for. So every field that takes or gives a token is wrapped here. Resolvers see
 * positions and cursor keys only, and only those that are in this log.
 */
import {
  defaultFieldResolver,
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLInputType,
  type GraphQLSchema,
} from 'graphql'
import type { Position } from '../../schemas/positions.ts'
import type { RequestContext } from '../services.ts'
import { positionAt, type CursorToken, type CursorKey, type PositionToken } from '../positions/tokens.ts'
import { fault, type Fault } from '../errors.ts'

type Resolver = GraphQLFieldResolver<unknown, RequestContext>
type Scalar = 'Position' | 'Cursor'

/** The path of a token in a field's arguments: `['at', 'position']`. */
interface TokenPath {
  readonly names: readonly string[]
  readonly scalar: Scalar
}

/** Wraps the fields of a schema in place. */
export function withTokenFields(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue
    for (const field of Object.values(type.getFields())) wrap(field as GraphQLField<unknown, RequestContext>)
  }
  return schema
}

function wrap(field: GraphQLField<unknown, RequestContext>): void {
  const paths = field.args.flatMap(({ name, type }) => tokensIn(type, [name]))
  if (paths.length > 0) {
    field.resolve = taking(field.resolve ?? defaultFieldResolver, paths)
    if (field.subscribe !== undefined) field.subscribe = taking(field.subscribe, paths)
  }
  const given = getNamedType(field.type).name
  if (isScalar(given)) field.resolve = giving(field.resolve ?? defaultFieldResolver, given)
}

function isScalar(name: string): name is Scalar {
  return name === 'Position' || name === 'Cursor'
}

function tokensIn(type: GraphQLInputType, names: readonly string[], isListed = false): TokenPath[] {
  if (isNonNullType(type)) return tokensIn(type.ofType, names, isListed)
  if (isListType(type)) return tokensIn(type.ofType, names, true)
  if (isScalar(type.name)) {
    if (isListed) throw new Error(`${names.join('.')}: a list of tokens has no reader yet`)
    return [{ names, scalar: type.name }]
  }
  if (!isInputObjectType(type)) return []
  return Object.values(type.getFields()).flatMap((field) =>
    tokensIn(field.type, [...names, field.name], isListed),
  )
}

/**
 * Wraps a resolver that gives tokens. Stays synchronous if the resolver is, because most tokens are read by the
 * thousand.
 */
function giving(resolve: Resolver, scalar: Scalar): Resolver {
  const told = (value: unknown, { services: { tokens } }: RequestContext): unknown => {
    if (value === null || value === undefined) return value
    return scalar === 'Position' ? tokens.position(value as Position) : tokens.cursor(value as CursorKey)
  }
  return (source, args, context, info) => {
    const value = resolve(source, args, context, info)
    return value instanceof Promise
      ? value.then((later: unknown) => told(later, context))
      : told(value, context)
  }
}

/**
 * Wraps a resolver that takes tokens. Tokens of another deployment are refused. A position behind the end of the log is
 * refused once that is certain.
 */
function taking(resolve: Resolver, paths: readonly TokenPath[]): Resolver {
  return (source, args, context, info) => {
    const { tokens, heads } = context.services
    let taken: Readonly<Record<string, unknown>> = args as Record<string, unknown>
    const unheard: { readonly position: Position; readonly field: string }[] = []
    for (const { names, scalar } of paths) {
      const token = valueAt(taken, names)
      if (token === null || token === undefined) continue
      const field = names.join('.')
      const value =
        scalar === 'Position'
          ? tokens.positionIn(token as PositionToken, field)
          : tokens.keyIn(token as CursorToken, field)
      const position = value instanceof Map ? (value as Position) : positionAt(value as CursorKey)
      if (!heads.holds(position)) unheard.push({ position, field })
      taken = withValue(taken, names, value)
    }
    if (unheard.length === 0) return resolve(source, taken, context, info)
    const heard = unheard.map(({ position, field }) => requirePosition(context, position, field))
    return Promise.all(heard).then(() => resolve(source, taken, context, info))
  }
}

/**
 * Makes sure that the log holds a position. Shared by all doors.
 * @param field that held the position, for the error
 * @throws Fault POSITION_AHEAD; NOT_YET if the end of the log cannot be asked for in time; BUSY
 */
export async function requirePosition(
  { services: { heads, limits, tokens }, point }: Pick<RequestContext, 'services' | 'point'>,
  position: Position,
  field: string,
): Promise<void> {
  if (heads.holds(position)) return
  const reach = await point.aside(() => heads.reach(position, limits.readWaitMs))
  if (reach === 'held') return
  throw reach === 'ahead' ? ahead(field, tokens.position(heads.within(position))) : unknown(field)
}

function ahead(field: string, position: string): Fault {
  return fault(
    'POSITION_AHEAD',
    'This place is ahead of the log: the log has nothing there, as after a restore of an older copy. ' +
      `Leave "${field}" out, or go on from "position", which is as much of it as the log has.`,
    { field, position },
  )
}

function unknown(field: string): Fault {
  return fault(
    'NOT_YET',
    'It cannot be told just now whether the log has this place: its end does not answer. Ask again in a moment.',
    { field },
  )
}

function valueAt(values: Readonly<Record<string, unknown>>, names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (value, name) =>
      value === null || value === undefined ? undefined : (value as Record<string, unknown>)[name],
    values,
  )
}

function withValue(
  values: Readonly<Record<string, unknown>>,
  [name, ...names]: readonly string[],
  value: unknown,
): Readonly<Record<string, unknown>> {
  const inner = values[name!] as Readonly<Record<string, unknown>>
  return { ...values, [name!]: names.length === 0 ? value : withValue(inner, names, value) }
}

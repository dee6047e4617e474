/**
 * States as text, for people and for comparisons; stored states are bytes (state-bytes.ts). JSON, in one form only, so that
 * equal states have equal texts. Properties stand in the order of their names; a bigint is a text behind a dollar sign
 * (`"$12"`), and a text that begins with one has another in front (`"$$12"`).
 */
import type { StateValue } from '../../code-projection.ts'
import { told } from './table-rows.ts'

/** A state that text cannot carry. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

/** @throws StateError for what a state may not be made of: it would come back as something else */
export function stateText(state: unknown): string {
  return written(state, 0)
}

/** The state that has this text. */
export function parseState(text: string): StateValue {
  return revived(JSON.parse(text) as Json)
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** Deeper states are a mistake of their author: a list that holds itself. */
const DEPTH_MAX = 64

function written(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'bigint':
      return `"$${value}"`
    case 'number':
      if (!Number.isFinite(value)) throw refused(value)
      // JSON's own text of it is 0, which is another value.
      return Object.is(value, -0) ? '-0' : String(value)
    case 'string':
      return JSON.stringify(value.startsWith('$') ? `$${value}` : value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? writtenList(value, inListsTo(depth)) : writtenObject(value, inListsTo(depth))
    default:
      throw refused(value)
  }
} // prettier-ignore

/** What a state may not hold, as an error. */
export function refused(value: unknown): StateError {
  return new StateError(`a state may not hold ${typeof value === 'number' ? value : told(value)}`)
}

/** The depth of what a list or an object at this depth holds. @throws StateError if that is too deep */
export function inListsTo(depth: number): number {
  if (depth === DEPTH_MAX) throw new StateError(`a state may not be ${DEPTH_MAX} levels deep`)
  return depth + 1
}

function writtenList(list: readonly unknown[], depth: number): string {
  let text = '['
  for (let index = 0; index < list.length; index++)
    text += index === 0 ? written(list[index], depth) : `,${written(list[index], depth)}`
  return `${text}]`
}

function writtenObject(object: object, depth: number): string {
  let text = '{'
  for (const name of namesIn(object)) {
    const property = written((object as Record<string, unknown>)[name], depth)
    text += `${text.length === 1 ? '' : ','}${JSON.stringify(name)}:${property}`
  }
  return `${text}}`
}

/** Names of an object's properties, in order. @throws StateError if it is not a plain one */
export function namesIn(object: object): readonly string[] {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw new StateError(`a state may not hold a ${object.constructor.name}: lists and plain objects only`)
  return inOrder(Object.keys(object))
}

/** Mostly they are in order already. */
function inOrder(names: string[]): string[] {
  for (let index = 1; index < names.length; index++)
    if (names[index - 1]! > names[index]!) return names.sort()
  return names
}

/** Turns texts into what they stand for, in place. */
function revived(json: Json): StateValue {
  if (typeof json === 'string') {
    if (!json.startsWith('$')) return json
    return json.startsWith('$$') ? json.slice(1) : BigInt(json.slice(1))
  }
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) {
    for (let index = 0; index < json.length; index++) json[index] = revived(json[index]!) as Json
    return json
  }
  for (const name of Object.keys(json)) {
    const value = json[name]!
    const real = revived(value)
    // By its descriptor: an assignment to a property named __proto__ would change what the object is.
    if (real !== value) Object.defineProperty(json, name, { value: real, enumerable: true, writable: true, configurable: true }) // prettier-ignore
  }
  return json
}

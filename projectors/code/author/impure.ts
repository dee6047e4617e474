/**
 * While an author's functions run, what would make them impure throws: the time, chance, timers, files, the network. So a
 * mistake is told at the first event, with its line, and not by a comparison weeks later. It is no wall against a program
 * that means harm: that the process of its own is for.
 */
import childProcess from 'node:child_process'
import crypto from 'node:crypto'
import dns from 'node:dns'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import timers from 'node:timers'

const TIME = 'A projection may not ask for the time: take recordedAtNs of the event.'
const CHANCE = 'A projection may not use chance: the same events must give the same rows.'
const LATER = 'A projection may not do anything later: what it returns is all that it does.'
const WORLD =
  'A projection may not read or change anything outside: it knows its events and its states alone.'
const END = 'A projection may not end its process.'

/** What throws, and what it says. */
const FORBIDDEN: readonly (readonly [object: object, names: readonly string[], why: string])[] = [
  [performance, ['now'], TIME],
  [process, ['hrtime', 'uptime', 'cpuUsage'], TIME],
  [Math, ['random'], CHANCE],
  // Its getRandomValues calls that of the global one.
  [crypto, ['randomBytes', 'randomFillSync', 'randomInt', 'randomUUID'], CHANCE],
  [globalThis.crypto, ['getRandomValues', 'randomUUID'], CHANCE],
  [globalThis, ['setTimeout', 'setInterval', 'setImmediate'], LATER],
  [timers, ['setTimeout', 'setInterval', 'setImmediate'], LATER],
  [globalThis, ['fetch'], WORLD],
  [fs, functionsOf(fs), WORLD],
  [fs.promises, functionsOf(fs.promises), WORLD],
  [childProcess, functionsOf(childProcess), WORLD],
  [http, ['request', 'get'], WORLD],
  [https, ['request', 'get'], WORLD],
  [net, ['connect', 'createConnection'], WORLD],
  [dns, ['lookup', 'resolve'], WORLD],
  [process, ['exit', 'abort', 'kill'], END],
]

/** Closes the ways out, and opens them again. */
export interface Ways {
  close(): void
  open(): void
}

/**
 * Puts a door into each way. All are open until they are closed; nothing can be impure by a copy that was made before, so it
 * has to be called before the author's file is loaded.
 */
export function guardWays(): Ways {
  let isClosed = false
  const pass = (why: string): void => {
    if (isClosed) throw new Error(why)
  }
  for (const [object, names, why] of FORBIDDEN) for (const name of names) guard(object, name, why, pass)
  guardDate(pass)
  syncBuiltinESMExports()
  return { close: () => (isClosed = true), open: () => (isClosed = false) }
}

type Anything = (...args: unknown[]) => unknown

function guard(object: object, name: string, why: string, pass: (why: string) => void): void {
  const real = (object as Record<string, unknown>)[name] as Anything
  const guarded = function (this: unknown, ...args: unknown[]): unknown {
    pass(why)
    return real.apply(this, args)
  }
  // What hangs on it stays on it: `hrtime.bigint`.
  for (const property of Object.keys(real)) {
    const value: unknown = (real as unknown as Record<string, unknown>)[property]
    Object.defineProperty(guarded, property, { value, writable: true, configurable: true, enumerable: true })
  }
  if (name === 'hrtime') guard(guarded, 'bigint', why, pass)
  Object.defineProperty(object, name, {
    value: guarded,
    writable: true,
    configurable: true,
    enumerable: true,
  })
}

/** `new Date(5)` is a value like any other; `new Date()`, `Date()` and `Date.now()` ask for the time. */
function guardDate(pass: (why: string) => void): void {
  const Real = Date
  const guarded = new Proxy(Real, {
    apply: (target, self, args: unknown[]) => {
      pass(TIME)
      return Reflect.apply(target, self, args) as unknown
    },
    construct: (target, args: unknown[], newTarget) => {
      if (args.length === 0) pass(TIME)
      return Reflect.construct(target, args, newTarget) as Date
    },
  })
  Real.prototype.constructor = guarded
  guard(Real, 'now', TIME, pass)
  globalThis.Date = guarded
}

function functionsOf(object: object): string[] {
  return Object.keys(object).filter((name) => {
    const descriptor = Object.getOwnPropertyDescriptor(object, name)
    return typeof descriptor?.value === 'function' && /^[a-z]/.test(name) && descriptor.configurable === true
  })
}

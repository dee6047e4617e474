/**
 * One id that two doors send for accounts of two partitions, in every way in which that can go: whatever was ever sent may
 * come at any later moment, often or never; doors die at any moment and clients send again; a partition that dies loses what
 * was not durable; and partitions come to forget the id, behind their horizon. What the log says is never forgotten.
 */
import { search, type Move, type Searched } from './search.ts'

export interface ClaimRules {
  /** A door claims an id that is not at home. */
  readonly claims: boolean
  /** A door goes on only with a claim that is durable. */
  readonly waits: boolean
  /** A claim counts for the partition that it names. */
  readonly looksAtPartition: boolean
  /** A claim that was made before is granted again. */
  readonly grantsAgain: boolean
  /** A client is told only what is durable. */
  readonly tellsDurable: boolean
  /** A partition that has forgotten ids refuses those of then. */
  readonly hasHorizon: boolean
}
export const CLAIM_RULES: ClaimRules = {
  claims: true,
  waits: true,
  looksAtPartition: true,
  grantsAgain: true,
  tellsDurable: true,
  hasHorizon: true,
}

export const CLAIM_LAWS = {
  once: 'an id counts in one partition at most',
  told: 'who was told that it happened was told the truth, and what was refused never happens',
  end: 'once nothing goes wrong any more, everybody is told',
} as const
export type ClaimLaw = keyof typeof CLAIM_LAWS

const HOME = 0
/** The partitions that the two doors' commands go to. */
export type ClaimWorld = readonly [number, number]
export const CLAIM_WORLDS: Readonly<Record<string, ClaimWorld>> = {
  'both away from its home': [1, 2],
  'one of them at its home': [HOME, 1],
}
const DOORS = [0, 1] as const
type Which = 0 | 1

/** What a partition has of the id: nothing, a claim or a command of a door. */
type Kept = 'none' | `claim ${Which}` | `command ${Which}`
interface Partition {
  readonly durable: Kept
  /** As its core has it, which is ahead. */
  readonly core: Kept
  /** The core has forgotten the id, and knows only that it is old. */
  readonly isForgotten: boolean
}
interface Door {
  readonly phase: 'idle' | 'asked' | 'granted' | 'handed on'
  /** It is not the first one. */
  readonly isAgain: boolean
  readonly told: 'nothing' | 'happened' | 'refused'
}
interface ClaimState {
  readonly partitions: readonly Partition[]
  readonly doors: readonly Door[]
  /** Claims and commands, sorted. */
  readonly sent: readonly Kept[]
}
type Next = Move<ClaimState, ClaimLaw>

const NEW: Partition = { durable: 'none', core: 'none', isForgotten: false }
const IDLE: Door = { phase: 'idle', isAgain: false, told: 'nothing' }
const BEGINNING: ClaimState = { partitions: [NEW, NEW, NEW], doors: [IDLE, IDLE], sent: [] }

export function exploreClaim(world: ClaimWorld, rules: ClaimRules = CLAIM_RULES): Searched<ClaimLaw> {
  return search(
    BEGINNING,
    (state) => movesOf(state, world, rules).map((move) => judged(move, world)),
    (state) => doesEnd(state, world, rules),
  )
}

/** All that can happen next. */
function movesOf(state: ClaimState, world: ClaimWorld, rules: ClaimRules): Next[] {
  return [
    ...DOORS.flatMap((which) => [...goOn(state, which, world, rules), ...die(state, which)]),
    ...state.sent.flatMap((message) => arrive(state, message, world, rules)),
    ...state.partitions.flatMap((partition, at) => ofPartition(state, partition, at)),
  ]
}

/** What a door does next: it asks, hands on, or tells its client. */
function goOn(state: ClaimState, which: Which, world: ClaimWorld, rules: ClaimRules): Next[] {
  const door = state.doors[which]!
  const to = world[which]
  if (door.told !== 'nothing') return []
  const tell = (told: Door['told']): Next => move(withDoor(state, which, { told, phase: 'idle' }), `${which} is told: ${told}`) // prettier-ignore
  const seen = ({ durable, core }: Partition, isDurable: boolean): Kept => (isDurable ? durable : core)
  switch (door.phase) {
    case 'idle': {
      const isDirect = to === HOME || !rules.claims
      const phase = isDirect ? 'handed on' : 'asked'
      return [sending(withDoor(state, which, { phase }), `${isDirect ? 'command' : 'claim'} ${which}`)]
    }
    case 'asked': {
      const home = state.partitions[HOME]!
      const claim = seen(home, rules.waits)
      const isOurs = claim === `claim ${which}` || (!rules.looksAtPartition && claim.startsWith('claim'))
      if (isOurs && door.isAgain && !rules.grantsAgain) return []
      if (isOurs) return [move(withDoor(state, which, { phase: 'granted' }), `${which} is granted its claim`)]
      return isUsed(home, seen(home, rules.tellsDurable)) ? [tell('refused')] : []
    }
    case 'granted':
      return [sending(withDoor(state, which, { phase: 'handed on' }), `command ${which}`)]
    case 'handed on': {
      const decided = seen(state.partitions[to]!, rules.tellsDurable)
      if (decided === `command ${which}`) return [tell('happened')]
      return isUsed(state.partitions[to]!, decided) ? [tell('refused')] : []
    }
  }
}

/** True if the id has made something else there, or can make nothing any more. */
function isUsed({ core, durable, isForgotten }: Partition, seen: Kept): boolean {
  return seen !== 'none' || (isForgotten && core === durable)
}

function die(state: ClaimState, which: Which): Next[] {
  const { phase, told } = state.doors[which]!
  if (phase === 'idle' || told !== 'nothing') return []
  return [move(withDoor(state, which, { phase: 'idle', isAgain: true }), `the door of ${which} dies`)]
}

function arrive(state: ClaimState, message: Kept, world: ClaimWorld, rules: ClaimRules): Next[] {
  const at = message.startsWith('claim') ? HOME : world[Number(message.at(-1)) as Which]
  const { core, isForgotten } = state.partitions[at]!
  const isNew = isForgotten ? !rules.hasHorizon : core === 'none'
  if (!isNew) return []
  return [move(withPartition(state, at, { core: message, isForgotten: false }), `${message} comes to ${at}`)]
}

function ofPartition(state: ClaimState, { core, durable, isForgotten }: Partition, at: number): Next[] {
  if (core === durable) {
    if (isForgotten) return []
    return [move(withPartition(state, at, { isForgotten: true }), `${at} forgets the id`)]
  }
  return [
    move(withPartition(state, at, { durable: core }), `${at} has made it durable`),
    move(withPartition(state, at, { core: durable }), `${at} dies, and loses it`),
  ]
}

function move(state: ClaimState, what: string): Next {
  return { state, what }
}

function sending(state: ClaimState, message: Kept): Next {
  return move({ ...state, sent: [...new Set([...state.sent, message])].toSorted() }, `${message} is sent`)
}

function withDoor(state: ClaimState, which: Which, to: Partial<Door>): ClaimState {
  return { ...state, doors: state.doors.map((door, at) => (at === which ? { ...door, ...to } : door)) }
}

function withPartition(state: ClaimState, which: number, to: Partial<Partition>): ClaimState {
  return { ...state, partitions: state.partitions.map((one, at) => (at === which ? { ...one, ...to } : one)) }
}

function judged(next: Next, world: ClaimWorld): Next {
  const { partitions, doors } = next.state
  const counts = partitions.filter(({ core }) => core.startsWith('command')).length
  if (counts > 1) return { ...next, broken: 'once' }
  const isTrue = doors.every(({ told }, which) => {
    const { core, durable } = partitions[world[which as Which]]!
    const own = `command ${which}`
    if (told === 'happened') return durable === own
    return told === 'nothing' || core !== own
  })
  return isTrue ? next : { ...next, broken: 'told' }
}

/** Nothing dies any more, clients send again what they have not heard of, and whatever is sent comes. */
function doesEnd(state: ClaimState, world: ClaimWorld, rules: ClaimRules): boolean {
  let now = state
  for (let round = 0; round < 12; round++) {
    if (now.doors.every(({ told }) => told !== 'nothing')) return true
    for (const which of DOORS) now = goOn(now, which, world, rules)[0]?.state ?? now
    for (const message of now.sent) now = arrive(now, message, world, rules)[0]?.state ?? now
    for (const [at, { core, durable }] of now.partitions.entries())
      if (core !== durable) now = withPartition(now, at, { durable: core })
  }
  return false
}

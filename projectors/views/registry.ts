/** The projections that run, in one written list. They share one pass over the events. */
import { audit } from './audit/projection.ts'
import { balances } from './balances/projection.ts'
import { history } from './history/projection.ts'
import type { SqlProjection } from '../projection.ts'

export const PROJECTIONS: readonly SqlProjection[] = [balances, history, audit]

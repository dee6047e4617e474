/** The views that a deployment has unless whoever starts it says otherwise. Nothing below a process's start imports them. */
import { sqlProjectionsOf, type View } from '../../gateway/view.ts'
import { addAudit } from './audit/graphql.ts'
import { audit } from './audit/projection.ts'
import { addBalances } from './balances/graphql.ts'
import { balances } from './balances/projection.ts'
import { addCrossings } from './crossings/graphql.ts'
import { crossings } from './crossings/projection.ts'
import { addHistory } from './history/graphql.ts'
import { history } from './history/projection.ts'

export const BUILT_IN_VIEWS: readonly View[] = [
  { projection: balances, required: true, addToSchema: addBalances },
  { projection: history, required: true, addToSchema: addHistory },
  { projection: audit, required: true, addToSchema: addAudit },
  { projection: crossings, addToSchema: addCrossings },
]

export const BUILT_IN_PROJECTIONS = sqlProjectionsOf(BUILT_IN_VIEWS)

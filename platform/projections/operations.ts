/** What operators do with the projections of a deployment, put together for whichever process serves them. */
import type { View } from '../../gateway/view.ts'
import { compareStored } from '../../projectors/registry/compare-stored.ts'
import {
  createOperations,
  type OperationsOptions,
  type ProjectionOperations,
} from '../../projectors/registry/operations.ts'
import { systemClock } from '../../projectors/runtime/system-clock.ts'
import { checkAdded } from './check/check-added.ts'

/** What readers call the table that knows the currency of each account. */
const ACCOUNTS = 'accounts'

export interface DeploymentOperations extends Pick<
  OperationsOptions,
  'store' | 'head' | 'changed' | 'isComplete'
> {
  readonly views: readonly View[]
}

/** The operations over the registry in this store. */
export function operationsOf({ store, views, ...rest }: DeploymentOperations): ProjectionOperations {
  return createOperations({
    ...rest,
    store,
    projections: views.map(({ projection }) => projection),
    compare: compareStored(store, ACCOUNTS),
    validate: checkAdded(store, views),
    clock: systemClock,
  })
}

/** What operators do with the projections of a deployment, put together for whichever process serves them. */
import type { View } from '../../gateway/view.ts'
import { comparerOf } from '../../projectors/proof/compare-registered.ts'
import {
  createOperations,
  type OperationsOptions,
  type ProjectionOperations,
} from '../../projectors/registry/operations.ts'
import { systemClock } from '../../projectors/runtime/system-clock.ts'
import type { Serving } from '../../projectors/serving.ts'
import { checkAdded } from './check/check-added.ts'

export interface DeploymentOperations extends Pick<OperationsOptions, 'store' | 'head' | 'changed'> {
  readonly views: readonly View[]
  /** What readers read. */
  readonly serving: Pick<Serving, 'tables'>
}

/** The operations over the registry in this store. */
export function operationsOf({ store, views, serving, ...rest }: DeploymentOperations): ProjectionOperations {
  return createOperations({
    ...rest,
    store,
    projections: views.map(({ projection }) => projection),
    compare: comparerOf(store, serving),
    validate: checkAdded(store, views),
    clock: systemClock,
  })
}

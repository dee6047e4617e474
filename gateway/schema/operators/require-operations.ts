/** What operators may do here. */
import type { ProjectionOperations } from '../../../projectors/registry/operations.ts'
import { fault } from '../../errors.ts'
import type { Services } from '../../services.ts'

/** @throws Fault NOT_FOUND where this gateway serves no operations */
export function requireOperations({ operations }: Services): ProjectionOperations {
  if (operations === undefined) throw fault('NOT_FOUND', 'Operations on projections are not served here.')
  return operations
}

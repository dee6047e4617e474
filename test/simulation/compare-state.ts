/** The core's state beside the model's: accounts, holds, deadlines, sums. */
import type { WalletCore } from '../../writer/core/core.ts'
import { stateDifference } from '../model/differences.ts'
import type { Model } from '../model/model.ts'
import { insist } from './insist.ts'

/** Throws unless the core, which stands at the model's sequence, knows what the model knows. */
export function compareState(core: WalletCore, model: Model): void {
  const difference = stateDifference(core, model.wallet)
  if (difference !== undefined) insist(false, 'a core in the state of the model', difference)
}

/** Every currency sums to zero. True of a core at any moment, durable or not. */
export function checkSums(core: WalletCore): void {
  for (const [currency, sum] of core.trialBalance())
    if (sum !== 0n) insist(false, `${currency} sums to zero in the core`, sum)
}

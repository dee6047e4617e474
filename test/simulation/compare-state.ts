/** The core's state beside the model's: accounts, holds, deadlines, sums. */
import type { WalletCore } from '../../writer/core/core.ts'
import { insist } from './insist.ts'
import type { Model } from './model.ts'

/** Throws unless the core, which stands at the model's sequence, knows what the model knows. Texts are made on failure only. */
export function compareState(core: WalletCore, model: Model): void {
  const { wallet } = model
  same('sequence', core.sequence(), wallet.sequence)
  same('recorded at', core.recordedAtNs(), wallet.recordedAt)
  same('accounts', core.accounts(), wallet.accounts.size)
  same('open holds', core.holdsOpen(), wallet.holds.size)
  let deadline = 0n
  for (const { expiresAt } of wallet.holds.values())
    if (expiresAt !== 0n && (deadline === 0n || expiresAt < deadline)) deadline = expiresAt
  same('next deadline', core.nextDeadlineNs(), deadline)
  for (const account of wallet.accounts.values()) {
    const seen = core.account(account.number)
    const isSame =
      seen?.status === account.status &&
      seen.version === account.version &&
      seen.debitsPosted === account.debitsPosted &&
      seen.debitsPending === account.debitsPending &&
      seen.creditsPosted === account.creditsPosted &&
      seen.creditsPending === account.creditsPending &&
      seen.overdraftLimit === account.overdraft &&
      core.lookup(account.id) === account.number
    if (!isSame) insist(false, `account ${account.number} as the model has it`, JSON.stringify(seen, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))) // prettier-ignore
  }
  checkSums(core)
}

function same(what: string, inCore: bigint | number, inModel: bigint | number): void {
  if (inCore !== inModel) insist(false, `the core's ${what} to be the model's, ${inModel}`, inCore)
}

/** Every currency sums to zero. True of a core at any moment, durable or not. */
export function checkSums(core: WalletCore): void {
  for (const [currency, sum] of core.trialBalance())
    if (sum !== 0n) insist(false, `${currency} sums to zero in the core`, sum)
}

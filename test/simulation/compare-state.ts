/** The core's state beside the model's: accounts, holds, deadlines, sums. */
import type { WalletCore } from '../../writer/core/core.ts'
import { insist } from './insist.ts'
import type { Model } from './model.ts'

/** Throws unless the core, which stands at the model's sequence, knows what the model knows. */
export function compareState(core: WalletCore, model: Model): void {
  const { wallet } = model
  insist(core.sequence() === wallet.sequence, `the core at sequence ${wallet.sequence}`, core.sequence())
  insist(core.recordedAtNs() === wallet.recordedAt, `recorded at ${wallet.recordedAt}`, core.recordedAtNs())
  insist(core.accounts() === wallet.accounts.size, `${wallet.accounts.size} accounts`, core.accounts())
  insist(core.holdsOpen() === wallet.holds.size, `${wallet.holds.size} holds`, core.holdsOpen())
  let deadline = 0n
  for (const { expiresAt } of wallet.holds.values())
    if (expiresAt !== 0n && (deadline === 0n || expiresAt < deadline)) deadline = expiresAt
  insist(core.nextDeadlineNs() === deadline, `the next deadline at ${deadline}`, core.nextDeadlineNs())
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
    insist(isSame, `account ${account.number} as the model has it`, JSON.stringify(seen, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))) // prettier-ignore
  }
  checkSums(core)
}

/** Every currency sums to zero. True of a core at any moment, durable or not. */
export function checkSums(core: WalletCore): void {
  for (const [currency, sum] of core.trialBalance())
    insist(sum === 0n, `${currency} sums to zero in the core`, sum)
}

/** Commands over the binary bulk lane: the example of docs/bulk-lane.md. */
import { connectBulk, newId } from 'purser/client'

/** Opens two accounts and moves a cent a thousand times. Returns how many times it happened. */
export async function moveCents(url: string): Promise<number> {
  const client = await connectBulk({ url })
  const [cash, alice] = [newId(), newId()]
  // Amounts are minor units. A system account has no overdraft limit: money enters here.
  await client.submit({ kind: 'OpenAccount', id: newId(), debit: cash, currency: 'EUR', system: true })
  await client.submit({ kind: 'OpenAccount', id: newId(), debit: alice, currency: 'EUR', owner: 'alice' })
  const results = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      // Waits while as much is under way as may be; otherwise goes on at once.
      await client.ready()
      return client.submit({
        kind: 'Transfer',
        id: newId(),
        debit: cash,
        credit: alice,
        amount: 1n,
        currency: 'EUR',
      })
    }),
  )
  await client.close()
  return results.filter((result) => result.status === 'accepted').length
}

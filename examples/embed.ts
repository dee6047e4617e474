/** A platform inside this very program: shown in README.md. `npm run example:embed -- FOLDER` */
import { connectBulk, newId } from 'purser/client'
import { startPlatform } from 'purser/platform'

const platform = await startPlatform({ dataDir: process.argv[2] ?? 'data' })
const client = await connectBulk({ url: platform.url })
const [bank, alice] = [newId(), newId()]
await client.submit({ kind: 'OpenAccount', id: newId(), debit: bank, currency: 'EUR', system: true })
await client.submit({ kind: 'OpenAccount', id: newId(), debit: alice, currency: 'EUR', owner: 'alice' })
const deposit = { id: newId(), debit: bank, credit: alice, amount: 1250n, currency: 'EUR' }
const outcome = await client.submit({ kind: 'Transfer', ...deposit })
console.log(`${platform.url}/graphql serves; 12.50 EUR for alice: ${outcome.status}`)
await client.close()
await platform.stop()

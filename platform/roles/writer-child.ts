/**
 * A writer in a process of its own, for tests that kill and stop it: `writer-child.js <options>`. It says each frame that it
 * acknowledges on standard output, `durable <partition> <epoch> <hash>`; what an operator reads, on standard error.
 */
import { writeSync } from 'node:fs'
import { startWriterRole, type WriterRoleOptions } from './writer-role.ts'

const role = await startWriterRole({
  ...(JSON.parse(process.argv[2]!) as Omit<WriterRoleOptions, 'log' | 'onDurable'>),
  log: (line) => writeSync(2, `${line}\n`),
  onDurable: ({ partition, epoch, hash }) =>
    writeSync(1, `durable ${partition} ${epoch} ${Buffer.from(hash).toString('hex')}\n`),
})
process.once('SIGTERM', () => {
  void role.stop().then(() => process.exit(0))
})
void role.failed.then(({ message }) => {
  writeSync(2, `${message}\n`)
  process.exit(1)
})

/** The proof of whichever platform a command works on: its own one from inside, another process's from outside. */
import path from 'node:path'
import { auditRunning } from './audit-running.ts'
import { provePlatform, type Proof } from './proof.ts'
import type { Target } from '../target.ts'

export function proveTarget(target: Target, dataDir: string): Promise<Proof> {
  return target.own === undefined
    ? auditRunning(target.url, path.resolve(dataDir))
    : provePlatform(target.own)
}

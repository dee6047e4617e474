import { ensureBuilt } from '../bin/build.js'

/** Worker threads and child processes run from `dist/`, so it has to be the sources' own before any test. */
export default async function setup(): Promise<void> {
  await ensureBuilt()
}

#!/usr/bin/env node
// Runs one TypeScript file of this repository: `node bin/run.js examples/x/main.ts ARGS`.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt } from './build.js'

const [source, ...args] = process.argv.slice(2)
const dist = await ensureBuilt()
const { main } = await import(pathToFileURL(path.join(dist, source.replace(/\.ts$/, '.js'))).href)
await main(args)

#!/usr/bin/env node
// Runs one TypeScript file of this repository: `node bin/run.js examples/x/main.ts ARGS`.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt } from './build.js'

const [source, ...args] = process.argv.slice(2)
const dist = await ensureBuilt()
const file = path.join(dist, source.replace(/\.ts$/, '.js'))
// One that has no `main` is a program: it runs when it is loaded, and finds its arguments where programs do.
process.argv.splice(1, process.argv.length, file, ...args)
const { main } = await import(pathToFileURL(file).href)
await main?.(args)

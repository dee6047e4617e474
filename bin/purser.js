#!/usr/bin/env node
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt } from './build.js'

process.env.NODE_NO_WARNINGS ??= '1'
const dist = await ensureBuilt()
const { main } = await import(pathToFileURL(path.join(dist, 'cli/main.js')).href)
await main(process.argv.slice(2))

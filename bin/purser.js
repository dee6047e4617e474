#!/usr/bin/env node
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt } from './build.js'

process.env.NODE_NO_WARNINGS ??= '1'
// The AWS SDK says so on its own on standard error, whatever Node is told: it will want Node 22 one day.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
const dist = await ensureBuilt()
const { main } = await import(pathToFileURL(path.join(dist, 'cli/main.js')).href)
await main(process.argv.slice(2))

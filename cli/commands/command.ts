/** What a subcommand is: something that adds itself to the program. */
import type { Command } from 'commander'
import type { GivenOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import type { OutageBounds } from '../../platform/roles/outage-bounds.ts'

/** Runs a command's work with its output, and turns what it throws into a message and an exit code. */
export type Run = (options: GivenOptions, work: (output: Output) => Promise<void>) => Promise<void>

/** @param bounds of the roles, for tests */
export type AddCommand = (program: Command, run: Run, bounds: OutageBounds) => void

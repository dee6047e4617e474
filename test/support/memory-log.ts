/** Where tests look for it. */
export { MemoryLog, sealed } from '../../eventlog/memory-log.ts'

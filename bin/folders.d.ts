export const MAY_IMPORT: Readonly<Record<string, readonly string[]>>
export const PROGRAM_FOLDERS: readonly string[]

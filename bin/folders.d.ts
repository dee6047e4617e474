export const MAY_IMPORT: Readonly<Record<string, readonly string[]>>
export const PROGRAM_FOLDERS: readonly string[]
export const ON_ANOTHER_FLOOR: readonly { readonly files: readonly string[]; readonly floor: string }[]
export function floorOf(name: string): string
export const MAY_NOT_IMPORT: readonly { readonly from: string; readonly to: string; readonly why: string }[]

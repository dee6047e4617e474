/** Builds `dist/` if it is missing or older than the sources; resolves to its folder. */
export function ensureBuilt(): Promise<string>
export const root: string

/** Builds `dist/` if it is missing or older than the sources; resolves to its folder. */
export function ensureBuilt(): Promise<string>
export const root: string
/** One source, as `dist/` would hold it. */
export function transpile(text: string): Promise<string>

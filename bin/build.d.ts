/** Says to every process that comes of this one that `dist/` is to be taken as it is now. */
export function keepBuilt(): void
/** Builds `dist/` if it is missing or older than the sources; resolves to its folder. */
export function ensureBuilt(): Promise<string>
export const root: string
/** One source, as `dist/` would hold it. */
export function transpile(text: string): Promise<string>

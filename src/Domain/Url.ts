/** Parses an absolute URL. Returns null if the text is invalid. `URL.parse` would need Node.js 22. */
export const parseUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null)

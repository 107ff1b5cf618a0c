/** Parses an absolute URL; null for invalid text. Node.js has `URL.parse` only since 22. */
export const parseUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null)

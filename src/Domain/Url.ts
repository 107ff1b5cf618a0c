/** Parses an absolute URL. Returns null for invalid text. Does not use `URL.parse`, which Node.js lacks before version 22. */
export const parseUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null)

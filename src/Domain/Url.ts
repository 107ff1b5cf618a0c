/** Reads an absolute URL; null when the text is none. `URL.parse`, which Node.js has only since 22. */
export const parseUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null)

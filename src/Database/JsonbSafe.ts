/** Escape sequences that JSON allows but PostgreSQL's jsonb cannot store: NUL and unpaired surrogates. */
const unstorable = /(\\\\)|\\u(?:0000|d[89a-f][0-9a-f]{2})/gi

/**
 * In a JSON value, replaces each character that PostgreSQL cannot store with U+FFFD, so that a function's answer cannot prevent
 * the run's outcome from being recorded. Undefined and non-JSON values become null.
 */
export const jsonbSafe = (value: unknown): unknown => {
  const json = JSON.stringify(value)
  if (json === undefined) return null
  const clean = json.replace(unstorable, (match, backslash) => (backslash ? match : "\\ufffd"))
  return clean === json ? value : JSON.parse(clean)
}

/**
 * Replaces characters that PostgreSQL cannot store, and truncates the text at a character boundary to at most `maxBytes` bytes of
 * UTF-8.
 */
export const jsonbSafeText = (text: string, maxBytes: number): string => {
  const clean = text.toWellFormed().replaceAll("\u0000", "\ufffd")
  const bytes = new TextEncoder().encode(clean)
  if (bytes.length <= maxBytes) return clean
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\ufffd+$/, "")
}

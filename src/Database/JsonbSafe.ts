/** JSON escape sequences that PostgreSQL's jsonb cannot store: NUL and unpaired surrogates. */
const unstorable = /(\\\\)|\\u(?:0000|d[89a-f][0-9a-f]{2})/gi

/** Replaces characters that PostgreSQL cannot store with U+FFFD, so that any answer can be recorded. Non-JSON becomes null. */
export const jsonbSafe = (value: unknown): unknown => {
  const json = JSON.stringify(value)
  if (json === undefined) return null
  const clean = json.replace(unstorable, (match, backslash) => (backslash ? match : "\\ufffd"))
  return clean === json ? value : JSON.parse(clean)
}

/** Replaces characters that PostgreSQL cannot store, and truncates to `maxBytes` bytes of UTF-8 at a character boundary. */
export const jsonbSafeText = (text: string, maxBytes: number): string => {
  const clean = text.toWellFormed().replaceAll("\u0000", "\ufffd")
  const bytes = new TextEncoder().encode(clean)
  if (bytes.length <= maxBytes) return clean
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\ufffd+$/, "")
}

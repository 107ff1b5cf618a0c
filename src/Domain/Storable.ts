/** Escapes that JSON allows and PostgreSQL's jsonb cannot store: NUL, and halves of a surrogate pair. */
const unstorable = /(\\\\)|\\u(?:0000|d[89a-f][0-9a-f]{2})/gi

/**
 * The same JSON value with what PostgreSQL cannot store replaced by U+FFFD, so that no answer of a function can make
 * its outcome impossible to record. Undefined, and what is no JSON at all, becomes null.
 */
export const storable = (value: unknown): unknown => {
  const json = JSON.stringify(value)
  if (json === undefined) return null
  const clean = json.replace(unstorable, (match, backslash) => (backslash ? match : "\\ufffd"))
  return clean === json ? value : JSON.parse(clean)
}

/** The same for text, cut to at most `maxBytes` of UTF-8 between characters. */
export const storableText = (text: string, maxBytes: number): string => {
  const clean = text.toWellFormed().replaceAll("\u0000", "\ufffd")
  const bytes = new TextEncoder().encode(clean)
  if (bytes.length <= maxBytes) return clean
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\ufffd+$/, "")
}

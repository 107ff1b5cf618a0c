/** The maximum length of a message, in UTF-8 bytes. */
export const MAX_MESSAGE_BYTES = 2048

/**
 * Sanitises external text: returns one line of at most 2 KiB without control characters (jsonb rejects NUL). Masks keys and
 * tokens in a recognisable format. Strips credentials, query and fragment from URLs.
 */
export const tidyMessage = (text: string): string => {
  const masked = masks.reduce(
    (masked, [pattern, instead]) => masked.replaceAll(pattern, instead),
    text.slice(0, 4 * MAX_MESSAGE_BYTES).toWellFormed()
  )
  return clip(masked.replaceAll(/[\p{Cc}\s]+/gu, " ").trim(), MAX_MESSAGE_BYTES)
}

const masks: ReadonlyArray<readonly [RegExp, string]> = [
  [/\bsb_secret_[\w-]+/g, "sb_secret_***"],
  [/\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, "***"],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, "$1 ***"],
  [/(\w:\/\/)[^\s/?#@"'<>]+@/g, "$1"],
  [/(\w:\/\/[^\s?#"'<>()]+)[?#][^\s"'<>()]*/g, "$1"]
]

/** Truncates text at a character boundary. */
const clip = (text: string, maxBytes: number): string => {
  const encoder = new TextEncoder()
  if (encoder.encode(text).length <= maxBytes) return text
  const { read } = encoder.encodeInto(text, new Uint8Array(maxBytes - 3))
  return `${text.slice(0, read)}…`
}

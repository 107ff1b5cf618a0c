import { tidyMessage } from "./Message.ts"

/** What an answer's body turned out to be. `value` is the JSON as it came. */
export type AnswerBody =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Json"; readonly value: unknown }
  | { readonly _tag: "Unreadable"; readonly why: string }

/** Deeper JSON is no answer for people, and a danger for every recursion that it meets, PostgreSQL's as well. */
const MAX_DEPTH = 100

/** Reads a body as JSON, whatever its content type: hosted functions rewrite some. Whitespace alone is empty. */
export const readBody = (text: string, isTruncated: boolean): AnswerBody => {
  if (isTruncated) return { _tag: "Unreadable", why: "it is longer than the 64 KiB that are read" }
  const trimmed = text.trim()
  if (trimmed === "") return { _tag: "Empty" }
  if (trimmed.startsWith("<")) return { _tag: "Unreadable", why: "it is HTML or XML, not JSON" }
  try {
    const value: unknown = JSON.parse(trimmed)
    if (isDeeperThan(value, MAX_DEPTH)) {
      return { _tag: "Unreadable", why: `it is nested deeper than ${MAX_DEPTH} levels` }
    }
    return { _tag: "Json", value }
  } catch {
    return { _tag: "Unreadable", why: "it is not valid JSON" }
  }
}

/** The body's own field of a JSON object, undefined for any other body. */
export const fieldOf = (body: AnswerBody, name: string): unknown =>
  body._tag === "Json" && isRecord(body.value) && Object.hasOwn(body.value, name)
    ? body.value[name]
    : undefined

/** Whether the JSON says that the sync failed: `success: false`, `status: "failed"`, or an `error` that is not null. */
export const saysFailed = (body: AnswerBody): boolean => {
  const error = fieldOf(body, "error")
  return (
    fieldOf(body, "success") === false ||
    fieldOf(body, "status") === "failed" ||
    (error !== undefined && error !== null)
  )
}

/** What the body says went wrong, in its own words: from `error` (text or `{code, message}`), else from the top. */
export const wordsOf = (
  body: AnswerBody
): { readonly code: string | null; readonly message: string | null } => {
  const error = fieldOf(body, "error")
  const at = (name: string): unknown => (isRecord(error) ? error[name] : fieldOf(body, name))
  const unnamed = isRecord(error) ? JSON.stringify(error) : error
  const texts = typeof error === "string" ? [error] : []
  const message = [...texts, at("message"), at("msg"), at("reason"), unnamed].find(isText)
  return {
    code: codeFrom(at("code")),
    message: message === undefined ? null : tidyMessage(message)
  }
}

const isText = (value: unknown): value is string => typeof value === "string" && value.trim() !== ""

/** Codes are for machines: one short word. */
const codeFrom = (value: unknown): string | null => {
  const text = typeof value === "number" ? String(value) : value
  return typeof text === "string" && /^[\w.:-]{1,100}$/.test(text) ? tidyMessage(text) : null
}

const isDeeperThan = (value: unknown, depth: number): boolean => {
  let level = [value]
  for (let i = 0; i <= depth && level.length > 0; i++) {
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null ? Object.values(item) : []
    )
  }
  return level.length > 0
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

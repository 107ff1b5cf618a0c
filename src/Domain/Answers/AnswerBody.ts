import { tidyMessage } from "../Message.ts"
import { type AnswerWords, readWords } from "./AnswerWords.ts"

/** The parsed body of a response. `words` is the interpretation of the JSON. */
export type AnswerBody =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Json"; readonly value: unknown; readonly words: AnswerWords }
  | { readonly _tag: "Unreadable"; readonly why: string }

/** The maximum accepted nesting depth. Deeper JSON could overflow this program's or PostgreSQL's stack. */
const MAX_DEPTH = 100

/** Parses a body as JSON regardless of its content type, because hosted functions rewrite some content types. */
export const readBody = (text: string, isTruncated: boolean): AnswerBody => {
  if (isTruncated) return { _tag: "Unreadable", why: "it is longer than 64 KiB" }
  const trimmed = text.trim()
  if (trimmed === "") return { _tag: "Empty" }
  if (trimmed.startsWith("<")) return { _tag: "Unreadable", why: "it is HTML or XML, not JSON" }
  try {
    const value: unknown = JSON.parse(trimmed)
    if (isDeeperThan(value, MAX_DEPTH)) {
      return { _tag: "Unreadable", why: `it is nested deeper than ${MAX_DEPTH} levels` }
    }
    return { _tag: "Json", value, words: readWords(value) }
  } catch {
    return { _tag: "Unreadable", why: "it is not valid JSON" }
  }
}

export const saysOf = (body: AnswerBody): AnswerWords["says"] =>
  body._tag === "Json" ? body.words.says : "nothing"

/** Returns undefined if the body is not a JSON object. */
export const fieldOf = (body: AnswerBody, name: string): unknown =>
  body._tag === "Json" && isRecord(body.value) && Object.hasOwn(body.value, name)
    ? body.value[name]
    : undefined

/** Reads the error from `error`, the first of `errors`, or the top level, as in problem+json. */
export const wordsOf = (
  body: AnswerBody
): { readonly code: string | null; readonly message: string | null } => {
  const error = fieldOf(body, "error") || firstOf(fieldOf(body, "errors"))
  const at = (name: string): unknown => (isRecord(error) ? error[name] : fieldOf(body, name))
  const unnamed = isRecord(error) ? JSON.stringify(error) : error
  const texts = typeof error === "string" ? [error] : []
  const named = ["message", "msg", "reason", "detail", "title", "errorMessage"].map(at)
  const message = [...texts, ...named, unnamed].filter(isText).map(tidyMessage).find(isText)
  const extensions = at("extensions")
  const code = codeFrom(at("code")) ?? (isRecord(extensions) ? codeFrom(extensions.code) : null)
  return { code, message: message ?? null }
}

const firstOf = (errors: unknown): unknown => (Array.isArray(errors) ? errors[0] : errors)

const isText = (value: unknown): value is string => typeof value === "string" && value.trim() !== ""

/** Returns null if the value is not a number or a single short word. */
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

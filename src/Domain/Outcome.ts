import { readBody, wordsOf } from "./Answers/AnswerBody.ts"
import { type AnswerFacts, type AnswerRule, functionRules, lastRule } from "./Answers/AnswerRule.ts"
import { platformRules } from "./Answers/PlatformError.ts"
import { type ProviderResponse, readProviderResponse } from "./Answers/ProviderResponse.ts"
import type { InvokeError } from "./Errors.ts"
import { tidyMessage } from "./Message.ts"
import { readRetryAfter } from "./Retry.ts"

/**
 * The result of an invocation. `Accepted` means that the function will report its result later (202).
 *
 * `code` is stable. `message` is at most 2 KiB long. `retryAfterMs` is the wait that the response requested. `response` is the
 * function's JSON response, or null. `vendor` is the accounting API's response, if reported.
 */
export type Outcome = Judgement & { readonly vendor?: ProviderResponse }

type Judgement =
  | { readonly _tag: "Completed"; readonly httpStatus: number; readonly response: unknown }
  | { readonly _tag: "Accepted"; readonly httpStatus: number; readonly response: unknown }
  | {
      readonly _tag: "Failed"
      readonly httpStatus: number | null
      readonly code: string
      readonly message: string
      readonly response: unknown
    }
  | {
      readonly _tag: "NotExecuted"
      readonly httpStatus: number | null
      readonly code: string
      readonly message: string
      readonly retryAfterMs: number | null
    }
  | {
      readonly _tag: "Unknown"
      readonly httpStatus: number | null
      readonly code: string
      readonly message: string
      readonly response?: unknown
    }

/** An HTTP response, with at most 64 KiB of its body. `truncated` is true if the body was longer. */
export interface Answer {
  readonly status: number
  /** Looks up a header by its lower-case name. */
  readonly headers: { readonly get: (name: string) => string | null }
  readonly body: string
  readonly truncated: boolean
}

/** The rules, in the order in which they are tried. Platform errors come first, because a header identifies them. */
export const rules: ReadonlyArray<AnswerRule> = [...platformRules, ...functionRules, lastRule]

/**
 * Determines the outcome from a response. Pure and total. The outcome is Unknown if the run might have been executed and the
 * response does not state the result. `now` is used only if Retry-After is a date and there is no `Date` header.
 */
export const judge = (answer: Answer, now: number): Outcome => {
  const body = readBody(answer.body, answer.truncated)
  const vendor = readProviderResponse(body)
  const platformCode = answer.headers.get("sb-error-code")?.trim() || null
  const facts: AnswerFacts = { status: answer.status, platformCode, body }
  const rule = rules.find((one) => one.matches(facts)) ?? lastRule
  const judgement = conclude(rule, facts, answer, now)
  return vendor === null ? judgement : { ...judgement, vendor }
}

/** Returns whether the function itself responded. If not, the next invocation would probably fail in the same way. */
export const isFromFunction = (outcome: Outcome): boolean =>
  outcome._tag !== "NotExecuted" || /^(HTTP_\d+|FUNCTION_REFUSED)$/.test(outcome.code)

/** Returns NotExecuted if no connection was established. After a timeout or a broken connection, the function might have run. */
export const ofError = (error: InvokeError): Outcome => {
  switch (error.reason) {
    case "NotSent":
      return {
        _tag: "NotExecuted",
        httpStatus: null,
        code: "CONNECTION_FAILED",
        message: tidyMessage(
          `The connection to the function was never made, so nothing happened: ${error.detail}`
        ),
        retryAfterMs: null
      }
    case "TimedOut":
      return noAnswer("TIMED_OUT", `The function may still be running: ${error.detail}`)
    case "Disconnected":
      return noAnswer("CONNECTION_LOST", `The function may have done its work: ${error.detail}`)
  }
}

const noAnswer = (code: string, message: string): Outcome => ({
  _tag: "Unknown",
  httpStatus: null,
  code,
  message: tidyMessage(message)
})

const conclude = (rule: AnswerRule, facts: AnswerFacts, answer: Answer, now: number): Judgement => {
  const httpStatus = facts.status
  const response = facts.body._tag === "Json" ? facts.body.value : null
  if (rule.outcome === "Completed" || rule.outcome === "Accepted") {
    return { _tag: rule.outcome, httpStatus, response }
  }
  const error = { httpStatus, code: codeOf(rule, facts), message: messageOf(rule, facts) }
  switch (rule.outcome) {
    case "Failed":
    case "Unknown":
      return { _tag: rule.outcome, ...error, response }
    case "NotExecuted": {
      const { headers } = answer
      const retryAfterMs = readRetryAfter(headers.get("retry-after"), headers.get("date"), now)
      return { _tag: "NotExecuted", ...error, retryAfterMs }
    }
  }
}

const codeOf = (rule: AnswerRule, { status, platformCode, body }: AnswerFacts): string => {
  const [preferred = "", otherwise = preferred] = rule.code.split("|")
  const code = preferred === "<error.code>" ? (wordsOf(body).code ?? otherwise) : preferred
  return code
    .replace("<status>", String(status))
    .replace(
      "<sb-error-code>",
      platformCode !== null && isCode.test(platformCode) ? platformCode : "PLATFORM_ERROR"
    )
}

const isCode = /^[A-Z][A-Z0-9_]{0,99}$/

const messageOf = (rule: AnswerRule, { status, body }: AnswerFacts): string => {
  const said = wordsOf(body).message
  if (said !== null && rule.speaks === "function") {
    return rule.outcome === "Failed" ? said : tidyMessage(`${rule.what}: ${said}`)
  }
  const evidence =
    body._tag === "Unreadable"
      ? ` (${body.why})`
      : body._tag === "Json" && rule.code === "UNCLEAR_ANSWER"
        ? ` (${body.words.because})`
        : ""
  const quoted = said === null ? "" : ` It said: ${said}`
  return tidyMessage(`${rule.what}${evidence}: ${rule.why} (HTTP ${status}). ${rule.fix}${quoted}`)
}

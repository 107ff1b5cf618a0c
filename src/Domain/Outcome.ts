import { readBody, wordsOf } from "./AnswerBody.ts"
import { type AnswerFacts, type AnswerRule, functionRules, lastRule } from "./AnswerRule.ts"
import type { InvokeError } from "./Errors.ts"
import { tidyMessage } from "./Message.ts"
import { platformRules } from "./PlatformError.ts"
import { readRetryAfter } from "./Retry.ts"
import { readVendorReport, type VendorReport } from "./VendorReport.ts"

/**
 * What an invocation came to, in the three words that decide everything: definite (completed, failed), proven not
 * executed, or unknown. `accepted` is a promise to report later (202).
 *
 * `code` is stable and machine-readable, `message` at most 2 KiB for people. `retryAfterMs` is what the answer asked
 * for; the cap is Domain/Retry's. `response` is the JSON that the function answered, or null. `vendor` is what the
 * function says its accounting API answered, where it says so.
 */
export type Outcome = Judgement & { readonly vendor?: VendorReport }

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
    }

/** An HTTP answer as far as it is read: at most 64 KiB of the body (`truncated` says that there was more). */
export interface Answer {
  readonly status: number
  /** Header value by lower-case name. */
  readonly headers: { readonly get: (name: string) => string | null }
  readonly body: string
  readonly truncated: boolean
}

/**
 * Every rule by which an answer is judged, in order: the first that matches decides. The platform's errors come first,
 * because their header tells them from a function's answers. The last rule matches everything.
 */
export const rules: ReadonlyArray<AnswerRule> = [...platformRules, ...functionRules, lastRule]

/**
 * Judges an answer. Pure and total. What may have been executed and does not say how it ended is Unknown.
 * `now` (epoch milliseconds) is used only for a Retry-After date in an answer without a `Date` header.
 */
export const judge = (answer: Answer, now: number): Outcome => {
  const body = readBody(answer.body, answer.truncated)
  const vendor = readVendorReport(body)
  const platformCode = answer.headers.get("sb-error-code")?.trim() || null
  const facts: AnswerFacts = { status: answer.status, platformCode, body }
  const rule = rules.find((one) => one.matches(facts)) ?? lastRule
  const judgement = conclude(rule, facts, answer, now)
  return vendor === null ? judgement : { ...judgement, vendor }
}

/**
 * What an invocation without an answer came to. A connection that was never made is proof that nothing happened;
 * a deadline or a broken connection proves nothing.
 */
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
      return noAnswer("TIMED_OUT", `The function may still be working: ${error.detail}`)
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
      return { _tag: "Failed", ...error, response }
    case "Unknown":
      return { _tag: "Unknown", ...error }
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
  const unreadable = body._tag === "Unreadable" ? ` (${body.why})` : ""
  const quoted = said === null ? "" : ` It said: ${said}`
  return tidyMessage(
    `${rule.what}${unreadable}: ${rule.why} (HTTP ${status}). ${rule.fix}${quoted}`
  )
}

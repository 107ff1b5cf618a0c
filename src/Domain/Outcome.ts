/**
 * What an invocation came to, in the three words that decide everything: definite (completed, failed), proven not
 * executed, or unknown. `accepted` is a promise to report later (202).
 *
 * `code` is stable and machine-readable, `message` at most 2 KiB for people. `retryAfterMs` is what the answer asked
 * for; the cap is Domain/Retry's. `response` is the JSON that the function answered, or null.
 */
export type Outcome =
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

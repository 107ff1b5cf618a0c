import { Effect } from "effect"
import type { Refusal } from "./Refusal.ts"

const FORM = "application/x-www-form-urlencoded"

/** Whether a browser's form was sent. */
export const isForm = (request: Request): boolean =>
  (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() === FORM

/** The fields of a form that was sent. *Fails with* what is wrong with it. */
export const readForm = (request: Request): Effect.Effect<URLSearchParams, Refusal> =>
  isForm(request)
    ? Effect.tryPromise({
        try: async () => new URLSearchParams(await request.text()),
        catch: () => unreadable
      })
    : Effect.fail(notAForm)

const notAForm: Refusal = {
  status: 415,
  code: "USAGE",
  message: "The request has no form in it",
  hint: `Send ${FORM}.`
}

const unreadable: Refusal = {
  status: 400,
  code: "USAGE",
  message: "The body could not be read to its end",
  hint: "Send it whole, and at most 16 KiB."
}

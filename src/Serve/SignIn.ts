import { Clock, Effect } from "effect"
import { signInPage } from "../Page/PlainPage.ts"
import { type Access, COOKIE, refuseForm, refuseOrigin, type Visitor } from "./Access.ts"
import { localPath, redirectAnswer } from "./Answer.ts"
import type { Asked } from "./Asked.ts"
import { readForm } from "./Form.ts"
import { frameOf } from "./Pages.ts"
import type { Refusal } from "./Refusal.ts"
import type { Sessions } from "./Session.ts"

/** `GET /sign-in`: a form for the admin token and the name to be recorded with what is done. */
export const showSignIn = (
  { access, url, visitor }: Asked,
  refused: string | null
): Effect.Effect<string> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    signInPage(
      frameOf({ access, visitor }, now, "UTC", ""),
      localPath(url.searchParams.get("next")),
      refused
    )
  )

/** `POST /sign-in`: a cookie for whoever knows the token. *Fails with* why not. */
export const signIn = (request: Request, sessions: Sessions): Effect.Effect<Response, Refusal> =>
  Effect.gen(function* () {
    const foreign = refuseOrigin(request)
    if (foreign !== null) return yield* Effect.fail(foreign)
    const form = yield* readForm(request)
    const name = (form.get("name") ?? "").trim()
    if (!sessions.isToken((form.get("token") ?? "").trim())) {
      yield* Effect.logWarning("A sign-in with a wrong token was refused.")
      return yield* Effect.fail(wrongToken)
    }
    if (name === "") return yield* Effect.fail(noName)
    const { seconds, value } = sessions.issue(name, yield* Clock.currentTimeMillis)
    yield* Effect.logInfo("Somebody signed in.").pipe(Effect.annotateLogs({ name }))
    return redirectAnswer(localPath(form.get("next")), {
      "set-cookie": cookie(request, value, seconds)
    })
  })

/** `POST /sign-out`: takes the cookie away. */
export const signOut = (request: Request, visitor: Visitor): Effect.Effect<Response, Refusal> =>
  Effect.gen(function* () {
    const form = yield* readForm(request)
    const refused = refuseForm(request, visitor, form.get("csrf"))
    if (refused !== null) return yield* Effect.fail(refused)
    return redirectAnswer("/", { "set-cookie": cookie(request, "", 0) })
  })

/** Nobody signs in where there is no token. */
export const noSignIn = ({ sessions }: Access): Refusal | null =>
  sessions !== null
    ? null
    : {
        status: 404,
        code: "NO_SIGN_IN",
        message: "There is no sign-in here, because there is no admin token",
        hint: "Start serve with SYNC_SCHEDULER_ADMIN_TOKEN and --allow-actions."
      }

const cookie = (request: Request, value: string, seconds: number): string => {
  const isEncrypted =
    request.headers.get("x-forwarded-proto") === "https" ||
    (request.headers.get("origin") ?? "").startsWith("https:")
  return `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isEncrypted ? "; Secure" : ""}`
}

const wrongToken: Refusal = {
  status: 403,
  code: "TOKEN_REFUSED",
  message: "That is not the admin token",
  hint: "It is what serve was started with as SYNC_SCHEDULER_ADMIN_TOKEN."
}

const noName: Refusal = {
  status: 400,
  code: "USAGE",
  message: "There is no name",
  hint: "Say who you are: it is recorded with what you do."
}

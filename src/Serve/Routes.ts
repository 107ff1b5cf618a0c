import { Effect } from "effect"
import { refuseAction, refuseForm } from "./Access.ts"
import { htmlAnswer, localPath, redirectAnswer } from "./Answer.ts"
import { type ApiServer, makeApiServer } from "./ApiServer.ts"
import { type Asked, isReading, wantedBy } from "./Asked.ts"
import { isForm } from "./Form.ts"
import { actByForm } from "./FormActing.ts"
import { makeOpenApiDocument } from "./OpenApiDocument.ts"
import { assetAnswer, renderPage } from "./Pages.ts"
import { notFound, type Refusal } from "./Refusal.ts"
import { makeScrape } from "./Scrape.ts"
import { noSignIn, showSignIn, signIn, signOut } from "./SignIn.ts"
import { makeViews, type Views } from "./Views.ts"

/** Answers what was asked. *Fails with* Refusal. */
export type Routes = (asked: Asked) => Effect.Effect<Response, Refusal>

/** Every address but the probes': the page and its files, the sign-in, `/api` and `/metrics`. */
export const makeRoutes = Effect.gen(function* () {
  const views = yield* makeViews
  const api = yield* makeApiServer(views)
  const scrape = yield* makeScrape
  const route: Routes = (asked) => {
    const { pathname } = asked.url
    const asset = assetAnswer(pathname)
    if (asset !== null) return Effect.succeed(asset)
    if (pathname === "/sign-in") return atSignIn(asked)
    if (asked.access.isPublic && asked.visitor._tag === "Reader") return toStranger(asked)
    if (!isReading(asked.request)) return change(asked, api, views)
    if (pathname === "/metrics") return scrape
    if (pathname === "/api/openapi.json") return openApi
    if (pathname.startsWith("/api/")) return api(asked.request, asked.visitor)
    return Effect.map(renderPage(asked, views), (html) => htmlAnswer(html))
  }
  return route
})

const atSignIn = (asked: Asked): Effect.Effect<Response, Refusal> => {
  const { access, request, url, visitor } = asked
  const refused = noSignIn(access)
  if (access.sessions === null || refused !== null) return Effect.fail(refused ?? notFound)
  if (isReading(request) && visitor._tag === "Operator") {
    return Effect.succeed(redirectAnswer(localPath(url.searchParams.get("next"))))
  }
  if (isReading(request)) return Effect.map(showSignIn(asked, null), (html) => htmlAnswer(html))
  const signing = signIn(request, access.sessions)
  if (wantedBy(request) !== "html") return signing
  return Effect.catchAll(signing, ({ hint, message, status }) =>
    Effect.map(showSignIn(asked, `${message}. ${hint}`), (html) => htmlAnswer(html, status))
  )
}

/** Something that changes things: who asks, and what sent the request, is looked at before anything else. */
const change = (asked: Asked, api: ApiServer, views: Views): Effect.Effect<Response, Refusal> => {
  const { access, request, url, visitor } = asked
  if (url.pathname === "/sign-out") return signOut(request, visitor)
  if (!url.pathname.startsWith("/api/")) return Effect.fail(notFound)
  const refused = refuseAction(visitor, access)
  if (refused !== null) return Effect.fail(refused)
  if (isForm(request)) return actByForm(asked, views)
  const foreign = refuseForm(request, visitor, request.headers.get("x-csrf-token"))
  return foreign === null ? api(request, visitor) : Effect.fail(foreign)
}

/** For whoever has to show the token first: people are led to the sign-in, programs are told. */
const toStranger = ({ request, url }: Asked): Effect.Effect<Response, Refusal> => {
  const isPage = request.method === "GET" && wantedBy(request) === "html"
  if (!isPage || url.pathname.startsWith("/api/")) return Effect.fail(noToken)
  const signIn = `/sign-in?next=${encodeURIComponent(url.pathname + url.search)}`
  return Effect.succeed(
    request.headers.get("sec-fetch-site") === "cross-site"
      ? htmlAnswer(leadOn(signIn))
      : redirectAnswer(signIn)
  )
}

/**
 * Whoever follows a link from elsewhere may be signed in: the browser keeps their cookie back until it is our own page that
 * leads on.
 */
const leadOn = (path: string): string =>
  `<!doctype html><html lang="en"><title>Sync Scheduler</title><meta http-equiv="refresh" content="0;url=${path}"><p><a href="${path}">Go on</a></p></html>\n`

const noToken: Refusal = {
  status: 401,
  code: "TOKEN_REQUIRED",
  message: "This server is open to a network, and is shown only to who has the admin token",
  hint: "Send Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>, or sign in at /sign-in.",
  headers: { "www-authenticate": "Bearer" }
}

const openApi: Effect.Effect<Response> = Effect.sync(
  () =>
    new Response(makeOpenApiDocument(), {
      headers: { "content-type": "application/json", "cache-control": "no-store" }
    })
)

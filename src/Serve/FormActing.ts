import { Effect } from "effect"
import { ActionName } from "../Operator/Actions.ts"
import { refuseForm } from "./Access.ts"
import { actFor } from "./Acting.ts"
import { localPath, redirectAnswer } from "./Answer.ts"
import type { Asked } from "./Asked.ts"
import { readForm } from "./Form.ts"
import { unavailable } from "./Pages.ts"
import { notFound, type Refusal } from "./Refusal.ts"
import type { Views } from "./Views.ts"

const ADDRESS =
  /^\/api\/(?:integrations|runs)\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/([a-z]+)$/
const MAX_REASON = 500

/**
 * An action by a form of the page: the same address as for programs, answered by leading back to where the form was.
 * *Fails with* Refusal when it was not done. Whether the visitor may is decided before.
 */
export const actByForm = (
  { request, url, visitor }: Asked,
  views: Views
): Effect.Effect<Response, Refusal> =>
  Effect.gen(function* () {
    const [, id, verb] = ADDRESS.exec(url.pathname) ?? []
    const action = ActionName.literals.find((name) => name === verb)
    if (id === undefined || action === undefined || isMismatch(url.pathname, action)) {
      return yield* Effect.fail(notFound)
    }
    const form = yield* readForm(request)
    const refused = refuseForm(request, visitor, form.get("csrf"))
    if (refused !== null) return yield* Effect.fail(refused)
    const reason = (form.get("reason") ?? "").trim()
    if (reason === "" || reason.length > MAX_REASON) return yield* Effect.fail(noReason)
    const report = yield* Effect.mapError(
      views.read(actFor(visitor, { action, id, reason })),
      unavailable
    )
    if (report.done) return redirectAnswer(localPath(form.get("next")))
    return yield* Effect.fail({
      status: report.reason === "not_found" ? (404 as const) : (409 as const),
      code: report.reason.toUpperCase(),
      message: `Nothing was changed: ${report.why}`,
      hint: report.fix
    })
  })

const isMismatch = (path: string, action: ActionName): boolean =>
  path.startsWith("/api/runs/") !== (action === "retry" || action === "release")

const noReason: Refusal = {
  status: 400,
  code: "USAGE",
  message: `There is no reason, or it is longer than ${MAX_REASON} characters`,
  hint: "Say why: it is recorded with what you do."
}

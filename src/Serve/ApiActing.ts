import { HttpApiBuilder } from "@effect/platform"
import { Effect } from "effect"
import type { ActionName } from "../Operator/Actions.ts"
import { actFor, CurrentVisitor } from "./Acting.ts"
import { Api } from "./Api.ts"
import { orUnavailable } from "./ApiReading.ts"

interface Asked {
  readonly path: { readonly id: string }
  readonly payload: { readonly reason: string; readonly actor?: string | undefined }
}

/** The handlers of everything that acts. Whether the visitor may is decided before they are asked. */
export const actingLayer = HttpApiBuilder.group(Api, "acting", (handlers) =>
  handlers
    .handle("trigger", doing("trigger"))
    .handle("pause", doing("pause"))
    .handle("resume", doing("resume"))
    .handle("retry", doing("retry"))
    .handle("release", doing("release"))
)

function doing(action: ActionName) {
  return ({ path: { id }, payload }: Asked) =>
    Effect.gen(function* () {
      const visitor = yield* CurrentVisitor
      const report = yield* orUnavailable(actFor(visitor, { action, id, ...payload }))
      if (report.done) return report
      const { reason } = report
      return yield* Effect.fail(reason === "not_found" ? { ...report, reason } : report)
    })
}

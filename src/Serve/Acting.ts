import { Context, Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { type Action, type ActionReport, act } from "../Operator/Actions.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Visitor } from "./Access.ts"

/** Who asks, for the handlers of `/api`. */
export class CurrentVisitor extends Context.Reference<CurrentVisitor>()(
  "@sync-scheduler/CurrentVisitor",
  { defaultValue: (): Visitor => ({ _tag: "Reader" }) }
) {}

/** An action as it was asked for; `actor` is what a program with the token says of itself. */
export interface Wish extends Pick<Action, "action" | "id" | "reason"> {
  readonly actor?: string | undefined
}

/**
 * Does what an operator asks for, and has recorded who and why: the name of the sign-in, or what the program calls
 * itself. Whether this visitor may is decided before. *Fails with* SupabaseError, as Operator's `act`.
 */
export const actFor = (
  visitor: Visitor,
  wish: Wish
): Effect.Effect<ActionReport, SupabaseError, Supabase> =>
  Effect.gen(function* () {
    const { action, id, reason } = wish
    const actor = actorOf(visitor, wish.actor)
    const report = yield* act({ action, id, actor, reason })
    const outcome = report.done ? "done" : report.reason
    yield* Effect.logInfo("Somebody acted").pipe(
      Effect.annotateLogs({ action, id, actor, outcome })
    )
    return report
  })

/** Who is recorded: `Kari (page)`, `nightly-job (api)`. */
const actorOf = (visitor: Visitor, given: string | undefined): string =>
  visitor._tag === "Operator" && visitor.session !== null
    ? `${visitor.session.actor} (page)`
    : `${given ?? "admin token"} (api)`

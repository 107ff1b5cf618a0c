import { Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Named } from "./NameResolver.ts"
import { readOverview } from "./Overview.ts"
import { listRuns } from "./Runs.ts"

/** The maximum number of integrations to explain in one response. Each explanation costs a database call. */
export const MAX_EXPLAINED = 20
/** The maximum number of failed or unknown runs to read. */
const MAX_RUNS = 1000

/** Selects the integrations to explain: those with a failed or unknown run in [from, to), then those in the worst states. */
export const selectToExplain = (
  found: ReadonlyArray<Named>,
  {
    driftAlertMs,
    from,
    to
  }: { readonly driftAlertMs: number; readonly from: number; readonly to: number }
): Effect.Effect<ReadonlyArray<Named>, SupabaseError, Supabase> =>
  Effect.gen(function* () {
    const orgId = found[0]?.org_id
    if (found.length <= MAX_EXPLAINED || orgId === undefined) return found
    const { runs } = yield* listRuns({
      orgId,
      since: from,
      until: to,
      statuses: ["failed", "unknown"],
      limit: MAX_RUNS
    })
    const failed = [...new Set(runs.map(({ integration_id }) => integration_id))]
    const others =
      failed.length >= MAX_EXPLAINED
        ? []
        : (yield* readOverview({ orgId, driftAlertMs })).integrations.map(
            ({ integration_id }) => integration_id
          )
    const named = new Map(found.map((one) => [one.integration_id, one]))
    return [...new Set([...failed, ...others])]
      .flatMap((id) => named.get(id) ?? [])
      .slice(0, MAX_EXPLAINED)
  }).pipe(Effect.withSpan("Operator.selectToExplain"))

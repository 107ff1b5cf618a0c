import type { FunctionSettings } from "../../Config/Load.ts"
import type { Diagnosis } from "../../Database/DiagnosisRpc.ts"
import { functionAt, refusalOf } from "../../Domain/FunctionAccess.ts"
import { type CheckResult, error } from "./CheckResult.ts"

/** Whether the settings allow this `function_name` to be invoked; null means the configured function. */
export const isAllowed =
  ({ allowed = [], url }: FunctionSettings) =>
  (name: string | null): boolean =>
    refusalOf(name, { configured: functionAt(url), allowed }) === null

/** Finds integrations whose function the settings do not allow. Returns one finding per function name. */
export const functionAccessFindings = (
  { allowed = [], url }: FunctionSettings,
  diagnosis: Diagnosis | null
): ReadonlyArray<CheckResult> => {
  const counts = new Map<string | null, number>()
  for (const { count, function_name } of diagnosis?.policies ?? []) {
    counts.set(function_name, (counts.get(function_name) ?? 0) + count)
  }
  return [...counts].flatMap(([name, count]) => {
    const refusal = refusalOf(name, { configured: functionAt(url), allowed })
    if (refusal === null) return []
    const [, fix = refusal] = /(?:invoked\. )(.+)$/.exec(refusal) ?? []
    return error("function", {
      code: "FUNCTION_NOT_ALLOWED",
      what: `${count === 1 ? "1 integration names" : `${count} integrations name`} the function ${JSON.stringify(name ?? functionAt(url))}, which the settings do not allow`,
      why: "it is neither the configured function nor in SYNC_SCHEDULER_FUNCTIONS, so its runs fail",
      fix
    })
  })
}

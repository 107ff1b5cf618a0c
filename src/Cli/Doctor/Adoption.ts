import type { Diagnosis } from "../../Database/DiagnosisRpc.ts"
import { type CheckResult, warning } from "./CheckResult.ts"

type Risk = NonNullable<Diagnosis["adoption_risks"]>[number]

/**
 * Finds properties of an adopted table that lose runs: triggers without a search_path, and foreign keys that delete the log.
 */
export const adoptionFindings = ({
  adoption_risks: risks
}: Diagnosis): ReadonlyArray<CheckResult> =>
  (risks ?? []).map((risk) => warning("schema", { ...describe(risk), fix: risk.fix }))

const describe = ({ kind, name }: Risk) => {
  switch (kind) {
    case "trigger":
      return {
        code: "TRIGGER_SEARCH_PATH",
        what: `${name}: the function has no search_path of its own`,
        why: "the scheduler's functions fire it under theirs, where a name without its schema is not found: the row is rejected"
      } as const
    case "cascade_from":
      return {
        code: "LOG_CASCADE",
        what: `${name}: deleting the referenced row deletes its runs`,
        why: "a run in progress then loses a known outcome, and audit shows a hole"
      } as const
    case "cascade_onto":
      return {
        code: "LOG_CASCADE",
        what: `${name}: deleting old runs deletes rows of that table`,
        why: "the scheduler deletes runs after 400 days"
      } as const
  }
}

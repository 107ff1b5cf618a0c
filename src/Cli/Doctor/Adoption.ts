import type { Diagnosis } from "../../Database/DiagnosisRpc.ts"
import { type CheckResult, warning } from "./CheckResult.ts"

type Risk = NonNullable<Diagnosis["adoption_risks"]>[number]

/** Finds triggers and foreign keys of an adopted table that can cause the loss of runs. */
export const adoptionFindings = ({
  adoption_risks: risks
}: Diagnosis): ReadonlyArray<CheckResult> =>
  (risks ?? []).map((risk) => warning("schema", { ...describe(risk), fix: risk.fix }))

const describe = ({ kind, name }: Risk) => {
  switch (kind) {
    case "trigger":
      return {
        code: "TRIGGER_SEARCH_PATH",
        what: `${name}: the trigger's function sets no search_path`,
        why: "the scheduler's search_path does not include public; if the trigger's function uses unqualified names, it fails and the row is rejected"
      } as const
    case "cascade_from":
      return {
        code: "LOG_CASCADE",
        what: `${name}: deleting the referenced row deletes its runs`,
        why: "the outcome of a run in progress is then lost, and audit reports a hole"
      } as const
    case "cascade_onto":
      return {
        code: "LOG_CASCADE",
        what: `${name}: deleting old runs also deletes rows of this table`,
        why: "the scheduler deletes runs after 400 days"
      } as const
  }
}

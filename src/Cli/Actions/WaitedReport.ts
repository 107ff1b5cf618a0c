import { Schema } from "effect"
import { RunView } from "../../Domain/RunView.ts"
import { ActionName } from "../../Operator/Actions.ts"

/** The output of `--wait -o json`: the action's report, and the finished run. */
export const WaitedReport = Schema.Struct({
  done: Schema.Literal(true),
  action: ActionName,
  run_id: Schema.String,
  integration_id: Schema.String,
  run: RunView
})

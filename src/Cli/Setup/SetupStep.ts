import { Effect, Schema, type Scope } from "effect"
import { safe } from "../Style.ts"
import type { Terminal } from "../Terminal.ts"

/** The result of a step. `by_hand` means that setup did not attempt the step. The user can run `command` to perform the step. */
export const StepReport = Schema.Struct({
  step: Schema.String,
  status: Schema.Literal("done", "unchanged", "planned", "by_hand", "failed"),
  detail: Schema.String,
  command: Schema.NullOr(Schema.String)
})
export type StepReport = typeof StepReport.Type

export interface Done {
  readonly status: "done" | "unchanged"
  readonly detail: string
}

/** If `command` is set, it is shown instead of the step's command. */
export interface Obstacle {
  readonly why: string
  readonly command?: string
}

export interface Task {
  readonly step: string
  readonly plan: string
  readonly command: string
  /** Undefined if only a person can do the step. */
  readonly run: Effect.Effect<Done, Obstacle, Scope.Scope> | undefined
}

/** Performs the tasks in order. After a failure, the remaining tasks are left to the user. */
export const perform = (
  tasks: ReadonlyArray<Task>,
  terminal: Terminal
): Effect.Effect<ReadonlyArray<StepReport>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const reports: Array<StepReport> = []
    let isStopped = false
    for (const task of tasks) {
      if (!isStopped) terminal.progress(`${task.plan} ...`)
      const report: StepReport = isStopped ? byHand(task, "then:") : yield* attempt(task)
      terminal.progress(null)
      isStopped ||= report.status === "failed" || report.status === "by_hand"
      reports.push(report)
      if (terminal.format === "text") yield* terminal.print(stepLines(report, terminal).join("\n"))
      if (terminal.format === "jsonl") yield* terminal.printJson({ type: "step", ...report })
    }
    return reports
  })

const byHand = ({ command, step }: Task, detail: string): StepReport => ({
  step,
  status: "by_hand",
  detail,
  command
})

const attempt = (task: Task): Effect.Effect<StepReport, never, Scope.Scope> =>
  task.run === undefined
    ? Effect.succeed(byHand(task, task.plan))
    : Effect.match(task.run, {
        onFailure: ({ command = task.command, why }) => ({
          step: task.step,
          status: "failed" as const,
          detail: why,
          command
        }),
        onSuccess: ({ detail, status }) => ({ step: task.step, status, detail, command: null })
      })

export const planned = (tasks: ReadonlyArray<Task>): ReadonlyArray<StepReport> =>
  tasks.map(({ command, plan, run, step }) => ({
    step,
    status: run === undefined ? "by_hand" : "planned",
    detail: plan,
    command
  }))

const MARKS = { done: "✓", unchanged: "✓", planned: "·", by_hand: "→", failed: "✗" } as const
const WIDTH = 9

export const stepLines = (
  { command, detail, status, step }: StepReport,
  { style }: Pick<Terminal, "style">
): ReadonlyArray<string> => {
  const isGood = status === "done" || status === "unchanged"
  const paint = isGood ? style.green : status === "failed" ? style.red : style.yellow
  const unchanged = status === "unchanged" ? style.dim(" (unchanged)") : ""
  const mark = `${paint(MARKS[status])} ${step.padEnd(WIDTH)}`
  return [
    `${mark} ${safe(detail)}${unchanged}`,
    ...(command === null
      ? []
      : command.split("\n").map((line) => `${" ".repeat(WIDTH + 3)}${line}`))
  ]
}

import { Effect } from "effect"
import type { PlannedFile } from "../Init/FileWriting.ts"
import { write } from "../Init/Init.ts"
import type { Choice } from "../Init/InitPlan.ts"
import { hunkOf, type ProjectPlan, planProject } from "../Init/ProjectPlan.ts"
import { safe } from "../Style.ts"
import type { Terminal } from "../Terminal.ts"
import type { Done, Obstacle, Task } from "./SetupStep.ts"

/** Calls `written` with the status of each file. */
export const filesTask = (
  directory: string,
  choice: Choice,
  options: { readonly seed: boolean },
  written: (files: ReadonlyArray<PlannedFile>) => void
): Task => ({
  step: "files",
  plan: "Write the files",
  command: `sync-scheduler init${choice.edge ? " --engine edge" : ""}`,
  run: Effect.gen(function* () {
    const project = yield* Effect.promise(() => planProject(directory, choice, options))
    const files = yield* Effect.mapError(write(directory, project.files), ({ message }) => ({
      why: message
    }))
    written(files)
    const different = files.find(({ status }) => status === "different")
    if (different !== undefined) return yield* Effect.fail(differs(different))
    return yield* resultOf(files, project)
  })
})

const differs = ({ path, why }: PlannedFile): Obstacle => ({
  why: `${path} was not changed: ${why}. Files that belong with it were not written. Compare the files, and adopt the changes that you want:`,
  command: "sync-scheduler init new && diff -ru supabase new/supabase"
})

const resultOf = (
  files: ReadonlyArray<PlannedFile>,
  { config }: ProjectPlan
): Effect.Effect<Done, Obstacle> => {
  const count = (status: PlannedFile["status"]) =>
    files.filter((file) => file.status === status).length
  const created = count("created")
  const changed = count("changed")
  if (config !== null && !config.isMissing) {
    return Effect.fail({
      why: `${created} created. supabase/config.toml was not changed: ${config.why}. Add this text to the file:`,
      command: config.text.trimEnd()
    })
  }
  return Effect.succeed(
    created + changed === 0
      ? { status: "unchanged", detail: `all ${files.length} files exist` }
      : { status: "done", detail: `${created} created, ${changed} changed` }
  )
}

/** Formats the planned files as a diff: the names of new files, and the changed lines of other files. */
export const fileLines = (
  { config, files }: ProjectPlan,
  { style }: Pick<Terminal, "style">
): ReadonlyArray<string> => {
  const open = files.filter(({ status }) => status !== "unchanged" && status !== "kept")
  const lines = open.flatMap(({ before, path, status, text, why }) => {
    if (status === "created") {
      const siblings = open.filter((one) => one.status === status && dirOf(one) === dirOf({ path }))
      if (siblings.length <= MAX_NAMED) return [style.green(`  + ${path}`)]
      const text = `  + ${dirOf({ path })}/  (${siblings.length} files)`
      return siblings[0]?.path === path ? [style.green(text)] : []
    }
    if (status !== "changed") return [style.red(`  ! ${path}  (${safe(why ?? "left out")})`)]
    return [
      `  ~ ${path}`,
      ...hunkOf(before ?? "", text).map((line) => `      ${paint(line, style)}`)
    ]
  })
  const byHand =
    config === null
      ? []
      : [
          `  ~ supabase/config.toml`,
          ...config.text
            .trimEnd()
            .split("\n")
            .map((line) => `      ${style.green(`+${line}`)}`)
        ]
  return lines.length + byHand.length === 0 ? ["  no file changes"] : [...lines, ...byHand]
}

/** The maximum number of new files to list per folder. If a folder has more new files, only their number is shown. */
const MAX_NAMED = 3
const dirOf = ({ path }: Pick<PlannedFile, "path">): string => path.replace(/\/[^/]*$/, "")

const paint = (line: string, style: Terminal["style"]): string =>
  line.startsWith("+")
    ? style.green(line)
    : line.startsWith("-")
      ? style.red(line)
      : style.dim(line)

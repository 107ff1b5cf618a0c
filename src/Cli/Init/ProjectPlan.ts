import { join } from "node:path"
import { patchConfig, readsSeed, sectionOf } from "../Setup/ConfigToml.ts"
import { withExample } from "./ExampleRow.ts"
import { look, type PlannedFile } from "./FileWriting.ts"
import { type Choice, chosenFunctions, plan, projectFiles } from "./InitPlan.ts"

const CONFIG = "supabase/config.toml"
const SEED = "supabase/seed.sql"

export interface ProjectPlan {
  readonly files: ReadonlyArray<PlannedFile>
  /** The changes to make in supabase/config.toml by hand, and the reason; null if there are none. */
  readonly config: {
    readonly text: string
    readonly why: string
    /** Whether config.toml is missing. After `supabase init` creates the file, the next plan includes the changes. */
    readonly isMissing: boolean
  } | null
}

/** Plans the changes to a project. `seed` adds the example to seed.sql. */
export const planProject = async (
  directory: string,
  choice: Choice,
  { seed }: { readonly seed: boolean }
): Promise<ProjectPlan> => {
  const names = chosenFunctions(choice)
  const files = await plan(directory, projectFiles(choice))
  const { text: before, why } = await look(join(directory, CONFIG))
  const byHand = {
    text: names.map(sectionOf).join("\n"),
    why: why ?? "it does not exist; supabase init creates it",
    isMissing: why === undefined
  }
  // If config.toml is missing, `supabase init` will create one that includes seed.sql.
  const readsOurs = before === undefined ? why === undefined : await readsSeed(before)
  const seeds = seed && readsOurs ? [await planSeed(directory)] : []
  if (before === undefined) {
    return { files: [...files, ...seeds], config: names.length === 0 ? null : byHand }
  }
  const patched = await patchConfig(before, names)
  if (patched._tag === "ByHand")
    return { files, config: { ...byHand, why: patched.why, isMissing: false } }
  return { files: [...files, edit(CONFIG, before, patched.text), ...seeds], config: null }
}

const edit = (path: string, before: string, text: string): PlannedFile => ({
  path,
  text,
  before,
  status: text === before ? "unchanged" : "changed",
  why: null
})

const planSeed = async (directory: string): Promise<PlannedFile> => {
  const { text, why } = await look(join(directory, SEED))
  if (why !== undefined) return { path: SEED, text: "", status: "different", why }
  return text === undefined
    ? { path: SEED, text: withExample(""), status: "created", why: null }
    : edit(SEED, text, withExample(text))
}

/** Returns the number of the first changed line, the removed lines and the added lines. Expects one contiguous change. */
export const hunkOf = (before: string, after: string): ReadonlyArray<string> => {
  const [old, now] = [before.split(/\r?\n/), after.split(/\r?\n/)]
  const shorter = Math.min(old.length, now.length)
  let head = 0
  while (head < shorter && old[head] === now[head]) head++
  let tail = 0
  while (tail < shorter - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++
  return [
    `@@ line ${head + 1} @@`,
    ...old.slice(head, old.length - tail).map((line) => `-${line}`),
    ...now.slice(head, now.length - tail).map((line) => `+${line}`)
  ]
}

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** The folders of supabase/functions that a user's project gets. */
const FOLDERS = ["_shared", "integration-sync", "sync-scheduler"]

/**
 * The files of our Edge Functions, by path from supabase/functions. To be imported as a macro
 * (`with { type: "macro" }`): Bun calls it while it builds, so that the binary carries the files' text.
 */
export const readFunctionFiles = (): Record<string, string> => {
  const root = join(import.meta.dir, "../../supabase/functions")
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => FOLDERS.includes(path.split("/")[0] ?? "") && /\.(ts|js|json)$/.test(path))
  return Object.fromEntries(
    paths.toSorted().map((path) => [path, readFileSync(join(root, path), "utf8")])
  )
}

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Glob } from "bun"
import { componentGraphOf } from "../../test/support/Architecture.ts"

const BEGIN = "<!-- components:begin, written by `bun run docs` -->"
const END = "<!-- components:end -->"

export const architecturePage = async (root: string): Promise<string> => {
  const page = await readFile(join(root, "ARCHITECTURE.md"), "utf8")
  const paths = [...new Glob("src/**/*.ts").scanSync({ cwd: root })].toSorted()
  const tree = new Map(
    await Promise.all(
      paths.map(async (path) => [path, await readFile(join(root, path), "utf8")] as const)
    )
  )
  const picture = [BEGIN, "```mermaid", ...flowchartOf(componentGraphOf(tree)), "```", END].join(
    "\n"
  )
  return page.slice(0, page.indexOf(BEGIN)) + picture + page.slice(page.indexOf(END) + END.length)
}

/** Components that every other component imports. Arrows to these components would clutter the diagram. */
const EVERYWHERE: ReadonlySet<string> = new Set(["Domain", "Version"])

type Graph = ReadonlyMap<string, ReadonlyArray<string>>

/** Returns the diagram. Omits the arrow to a component that is also reached through another component. */
const flowchartOf = (graph: Graph): ReadonlyArray<string> => {
  const components = [...graph.keys()].toSorted()
  const arrows = components.flatMap((from) => {
    const targets = (graph.get(from) ?? []).filter((to) => !EVERYWHERE.has(to))
    const isDirect = (to: string) => !targets.some((by) => by !== to && reaches(graph, by, to))
    return targets.filter(isDirect).map((to) => `  ${from} --> ${to}`)
  })
  return ["flowchart TD", ...arrows, "  everything[every component] --> Domain"]
}

const reaches = (graph: Graph, from: string, to: string): boolean =>
  (graph.get(from) ?? []).some((next) => next === to || reaches(graph, next, to))

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Glob } from "bun"
import { roomGraphOf } from "../../test/support/Architecture.ts"

const BEGIN = "<!-- rooms:begin, written by `bun run docs` -->"
const END = "<!-- rooms:end -->"

/** Returns ARCHITECTURE.md with the diagram of rooms, drawn from their current imports. `root`: the project's directory. */
export const architecturePage = async (root: string): Promise<string> => {
  const page = await readFile(join(root, "ARCHITECTURE.md"), "utf8")
  const paths = [...new Glob("src/**/*.ts").scanSync({ cwd: root })].toSorted()
  const tree = new Map(
    await Promise.all(
      paths.map(async (path) => [path, await readFile(join(root, path), "utf8")] as const)
    )
  )
  const picture = [BEGIN, "```mermaid", ...flowchartOf(roomGraphOf(tree)), "```", END].join("\n")
  return page.slice(0, page.indexOf(BEGIN)) + picture + page.slice(page.indexOf(END) + END.length)
}

/** Rooms that every other room imports. Arrows to these rooms would hide the other arrows. */
const EVERYWHERE: ReadonlySet<string> = new Set(["Domain", "Version"])

type Graph = ReadonlyMap<string, ReadonlyArray<string>>

/** Returns the diagram. Omits an arrow when a path through other rooms leads to the same room. */
const flowchartOf = (graph: Graph): ReadonlyArray<string> => {
  const rooms = [...graph.keys()].toSorted()
  const arrows = rooms.flatMap((from) => {
    const targets = (graph.get(from) ?? []).filter((to) => !EVERYWHERE.has(to))
    const isDirect = (to: string) => !targets.some((by) => by !== to && reaches(graph, by, to))
    return targets.filter(isDirect).map((to) => `  ${from} --> ${to}`)
  })
  return ["flowchart TD", ...arrows, "  everything[every room] --> Domain"]
}

const reaches = (graph: Graph, from: string, to: string): boolean =>
  (graph.get(from) ?? []).some((next) => next === to || reaches(graph, next, to))

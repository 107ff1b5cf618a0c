import { codeWithoutImports, type Import, importsOf } from "./SourceText.ts"

/** A tree of files: path from the project's root (`src/Engine.ts`) to content. */
export type Tree = ReadonlyMap<string, string>

/** What a room may import besides itself: other rooms (all, or their types only) and packages. */
interface Room {
  readonly files: RegExp
  readonly rooms: ReadonlyArray<string>
  readonly types?: ReadonlyArray<string>
  readonly packages: ReadonlyArray<string>
}

/** Every file of src stands in exactly one of these. */
const ROOMS: Readonly<Record<string, Room>> = {
  Domain: { files: /^src\/Domain\//, rooms: [], packages: ["effect", "croner"] },
  Version: { files: /^src\/Version\.ts$/, rooms: [], packages: [] },
  Migrations: { files: /^src\/Migrations\.ts$/, rooms: [], packages: [] },
  Config: {
    files: /^src\/Config(\.ts$|\/)/,
    rooms: ["Domain", "Version"],
    packages: ["effect"]
  },
  Metrics: {
    files: /^src\/Metrics(\.ts$|\/)/,
    rooms: ["Domain", "Version"],
    packages: ["effect"]
  },
  Services: { files: /^src\/Services\//, rooms: [], types: ["Domain"], packages: ["effect"] },
  Http: {
    files: /^src\/Http\//,
    rooms: ["Domain", "Version"],
    packages: ["effect", "@effect/platform"]
  },
  Engine: {
    files: /^src\/Engine(\.ts$|\/)/,
    rooms: ["Domain", "Services", "Config", "Metrics", "Version"],
    packages: ["effect"]
  },
  Layers: {
    files: /^src\/Layers\//,
    rooms: ["Domain", "Services", "Config", "Metrics", "Version", "Http", "Migrations"],
    packages: [
      "effect",
      "@effect/platform",
      "@effect/opentelemetry",
      "@supabase/supabase-js",
      "@electric-sql/pglite",
      "bun"
    ]
  },
  Serve: {
    files: /^src\/Serve\//,
    rooms: ["Domain", "Services", "Config", "Metrics", "Version", "Engine", "Operator", "Page"],
    packages: ["effect", "@effect/platform", "bun"]
  },
  Page: {
    files: /^src\/Page\//,
    rooms: ["Domain"],
    types: ["Operator"],
    packages: ["effect"]
  },
  Operator: {
    files: /^src\/Operator\//,
    rooms: ["Domain", "Services", "Config", "Metrics"],
    packages: ["effect"]
  },
  Cli: {
    files: /^src\/Cli\//,
    rooms: [
      "Domain",
      "Services",
      "Config",
      "Metrics",
      "Version",
      "Http",
      "Migrations",
      "Engine",
      "Serve",
      "Operator"
    ],
    packages: ["effect", "@effect/platform", "bun"]
  },
  Library: {
    files: /^src\/Library\//,
    rooms: ["Domain", "Services", "Config", "Engine", "Layers"],
    packages: []
  },
  facade: {
    files: /^src\/(job-trigger-engine|edge)\.ts$/,
    rooms: ["Domain", "Services", "Config", "Metrics", "Version", "Http", "Engine", "Layers"],
    packages: ["effect", "@effect/platform", "@supabase/supabase-js"]
  },
  main: {
    files: /^src\/main\.ts$/,
    rooms: [
      "Domain",
      "Services",
      "Config",
      "Metrics",
      "Version",
      "Http",
      "Migrations",
      "Engine",
      "Layers",
      "Operator",
      "Cli"
    ],
    packages: ["effect", "@effect/platform", "bun"]
  }
}

/** Packages that are somebody's own affair, wherever the room would let them in. */
const OWNERS: Readonly<Record<string, RegExp>> = {
  croner: /^src\/Domain\/Schedule\w*\.ts$/,
  "@supabase/supabase-js": /^src\/(Layers\/SupabaseLive|job-trigger-engine)\.ts$/,
  "@effect/opentelemetry": /^src\/Layers\/Telemetry\w*\.ts$/,
  "@electric-sql/pglite": /^src\/Layers\/Embedded\w*\.ts$/
}

/** What Deno and browsers load as well as Bun: these, and whatever they import. */
const PORTABLE =
  /^src\/(Domain|Services|Config|Metrics|Http|Engine|Library|Version|job-trigger-engine|edge|Layers\/(Supabase|Lock|Ledger|Invoker|AlertQueue|Notifier|Ping)Live)(\.ts$|\/)/

const BANNED: ReadonlyArray<readonly [rule: string, pattern: RegExp]> = [
  ["time and chance come from Clock, DateTime and Random", /\bDate\.now\(|\bnew Date\(\s*\)/],
  ["time and chance come from Clock, DateTime and Random", /\bMath\.random\(/],
  ["waiting is Effect.sleep or a Schedule", /\bset(Timeout|Interval)\(/],
  ["no any", /[:<,|&([]\s*any\b(?!\w|\s*[:(])|=>\s*any\b/],
  ["no type assertion", /\bas\s+(?!const\b)[\w{([]/],
  ["no non-null assertion", /[\w)\]]!(?!=)/]
]

const BAD_NAME = /(^|\/)(index|utils?|helpers?|types|common)\.ts$/i
const BUN_GLOBAL = /\b(Bun|process|Buffer)\s*[.[(]/
/** The façade may look at the environment: Deno and Node have `process.env` as well. */
const ENVIRONMENT = /\bprocess\.env\b/g
const SQL_HOME = /^(supabase\/(migrations\/|schema\.sql$)|deploy\/|docs\/reference\/)/
const NOT_RUN = /\b(test|it|describe)\.(skip|only|todo)\b/
const LATER = /\b(TODO|FIXME)\b/
const MAX_LINES = 300

/** Spelled in pieces, so that this file does not break its own rule. */
const MACHINE_PATH = new RegExp(
  `(^|[\\s"'\`(=:,])/(${["root", "work", "home/\\w+", "Users/\\w+"].join("|")})/`,
  "m"
)
const REGISTRY = new RegExp(
  [`/-/[^\\s"']+\\.${"tgz"}`, `\\bregistry\\.${"npmjs"}\\.`, `\\bregistry\\.${"yarnpkg"}\\.`].join(
    "|"
  )
)

const isSource = (path: string): boolean => path.startsWith("src/") && /(?<!\.d)\.ts$/.test(path)

const roomOf = (path: string): string | undefined =>
  Object.entries(ROOMS).find(([, { files }]) => files.test(path))?.[0]

const packageOf = (specifier: string): string => {
  if (specifier.startsWith("node:") || specifier.startsWith("bun:")) return "bun"
  const parts = specifier.split("/")
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/")
}

/** The path that a relative specifier names, seen from the file at `from`. */
const resolve = (from: string, specifier: string): string =>
  new URL(specifier, `file:///${from}`).pathname.slice(1)

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith(".")

const importFaults = (path: string, source: string): ReadonlyArray<string> => {
  const name = roomOf(path)
  const room = name === undefined ? undefined : ROOMS[name]
  if (room === undefined) return ["stands in no room"]
  return importsOf(source).flatMap((imported): ReadonlyArray<string> => {
    const { specifier, typeOnly } = imported
    if (specifier === "(computed)") return ["imports what no one can read off the source"]
    if (!isRelative(imported)) {
      const wanted = packageOf(specifier)
      if (!room.packages.includes(wanted)) return [`${name} may not import ${specifier}`]
      return OWNERS[wanted]?.test(path) === false
        ? [`only ${OWNERS[wanted]} imports ${wanted}`]
        : []
    }
    if (!specifier.endsWith(".ts")) {
      return /\.(sql|json|wasm|data|gz|html|css|js)$/.test(specifier)
        ? []
        : [`import of ${specifier} does not end in .ts`]
    }
    const target = resolve(path, specifier)
    const targetRoom = roomOf(target)
    if (/^src\/Layers\/\w+Live\.ts$/.test(target) && name === "Layers") {
      return [`one Layer may not import another: ${specifier}`]
    }
    if (targetRoom === name || (targetRoom !== undefined && room.rooms.includes(targetRoom)))
      return []
    if (targetRoom !== undefined && room.types?.includes(targetRoom)) {
      return typeOnly ? [] : [`${name} may import only types of ${targetRoom}: ${specifier}`]
    }
    return [`${name} may not import ${specifier}`]
  })
}

/** Who imports whom, types included; dynamic imports only when asked for. */
const graphOf = (tree: Tree, lazily: boolean): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    [...tree]
      .filter(([path]) => isSource(path))
      .map(([path, source]) => [
        path,
        importsOf(source)
          .filter((imported) => isRelative(imported) && (lazily || !imported.dynamic))
          .map(({ specifier }) => resolve(path, specifier))
          .filter((target) => tree.has(target) && isSource(target))
      ])
  )

/** Every cycle once, from wherever the walk met it. */
const cyclesOf = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> => {
  const finished = new Set<string>()
  const cycles: Array<string> = []
  const visit = (path: string, trail: ReadonlyArray<string>): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "))
      return
    }
    if (finished.has(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    finished.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return cycles
}

const reachableFrom = (
  graph: ReadonlyMap<string, ReadonlyArray<string>>,
  starts: ReadonlyArray<string>
): ReadonlySet<string> => {
  const reached = new Set<string>()
  const queue = [...starts]
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    queue.push(...(graph.get(path) ?? []))
  }
  return reached
}

const sourceFaults = (path: string, source: string, portable: boolean): ReadonlyArray<string> => {
  const code = codeWithoutImports(source)
  const faults = BANNED.filter(([, pattern]) => pattern.test(code)).map(
    ([rule, pattern]) => `${rule}: ${code.match(pattern)?.[0].trim()}`
  )
  if (/biome-ignore-all|@ts-(ignore|expect-error|nocheck)/.test(source))
    faults.push("silences a check")
  if (source.split("\n").length - 1 > MAX_LINES) faults.push(`is longer than ${MAX_LINES} lines`)
  if (BAD_NAME.test(path)) faults.push("has a name that says nothing")
  const globals = roomOf(path) === "facade" ? code.replace(ENVIRONMENT, "") : code
  if (portable && BUN_GLOBAL.test(globals))
    faults.push("uses Bun's or Node's globals where Deno goes")
  if (portable && importsOf(source).some(({ specifier }) => packageOf(specifier) === "bun")) {
    faults.push("uses Bun's or Node's modules where Deno goes")
  }
  return faults
}

/** Every breach of the rules in a tree, as `path: what is wrong`; empty when the house is in order. */
export const faultsOf = (tree: Tree): ReadonlyArray<string> => {
  const everything = graphOf(tree, true)
  const portable = reachableFrom(
    everything,
    [...everything.keys()].filter((path) => PORTABLE.test(path))
  )
  const inFiles = [...tree].flatMap(([path, content]) => {
    const faults: Array<string> = []
    if (isSource(path)) {
      faults.push(
        ...importFaults(path, content),
        ...sourceFaults(path, content, portable.has(path))
      )
    }
    if (path.endsWith(".sql") && !SQL_HOME.test(path))
      faults.push("SQL lives in supabase/migrations")
    if (path.startsWith("test/") && NOT_RUN.test(content)) faults.push("has tests that do not run")
    if (!path.startsWith("test/") && LATER.test(content)) faults.push("puts something off")
    if (MACHINE_PATH.test(content))
      faults.push(`names a path of a machine: ${content.match(MACHINE_PATH)?.[0].trim()}`)
    if (REGISTRY.test(content)) faults.push(`names a registry: ${content.match(REGISTRY)?.[0]}`)
    return faults.map((fault) => `${path}: ${fault}`)
  })
  return [...inFiles, ...cyclesOf(graphOf(tree, false)).map((cycle) => `cycle: ${cycle}`)]
}

import { codeWithoutImports, type Import, importsOf } from "./SourceText.ts"

/** File contents by path relative to the project root (`src/Engine.ts`). */
export type Tree = ReadonlyMap<string, string>

/** `types` lists components from which the files may import only types. */
interface Component {
  readonly files: RegExp
  readonly components: ReadonlyArray<string>
  readonly types?: ReadonlyArray<string>
  readonly packages: ReadonlyArray<string>
}

/** Every file in src belongs to exactly one component. */
const COMPONENTS: Readonly<Record<string, Component>> = {
  Domain: { files: /^src\/Domain\//, components: [], packages: ["effect", "croner"] },
  Version: { files: /^src\/Version\.ts$/, components: [], packages: [] },
  Database: {
    files: /^src\/Database\//,
    components: ["Domain", "Version"],
    packages: ["effect"]
  },
  Config: {
    files: /^src\/Config(\.ts$|\/)/,
    components: ["Database", "Domain", "Version"],
    packages: ["effect"]
  },
  Metrics: {
    files: /^src\/Metrics(\.ts$|\/)/,
    components: ["Domain", "Version"],
    packages: ["effect"]
  },
  Services: {
    files: /^src\/Services\//,
    components: [],
    types: ["Domain", "Database"],
    packages: ["effect"]
  },
  Http: {
    files: /^src\/Http\//,
    components: ["Domain", "Version"],
    packages: ["effect", "@effect/platform"]
  },
  Engine: {
    files: /^src\/Engine(\.ts$|\/)/,
    components: ["Database", "Domain", "Services", "Config", "Metrics", "Version"],
    packages: ["effect"]
  },
  Layers: {
    files: /^src\/Layers\//,
    components: ["Domain", "Services", "Config", "Metrics", "Version", "Http", "Database"],
    packages: [
      "effect",
      "@effect/platform",
      "@effect/opentelemetry",
      "@supabase/supabase-js",
      "@electric-sql/pglite",
      "bun"
    ]
  },
  Server: {
    files: /^src\/Server\/(?!Pages\/)/,
    components: [
      "Database",
      "Domain",
      "Services",
      "Config",
      "Metrics",
      "Version",
      "Engine",
      "Operator",
      "Pages"
    ],
    packages: ["effect", "@effect/platform", "bun"]
  },
  Pages: {
    files: /^src\/Server\/Pages\//,
    components: ["Domain"],
    types: ["Operator", "Database"],
    packages: ["effect"]
  },
  Operator: {
    files: /^src\/Operator\//,
    components: ["Database", "Domain", "Services", "Config", "Metrics"],
    packages: ["effect"]
  },
  Cli: {
    files: /^src\/Cli\//,
    components: [
      "Domain",
      "Services",
      "Config",
      "Metrics",
      "Version",
      "Http",
      "Database",
      "Engine",
      "Server",
      "Operator"
    ],
    packages: ["effect", "@effect/platform", "bun", "@decimalturn/toml-patch"]
  },
  Library: {
    files: /^src\/Library\//,
    components: ["Domain", "Services", "Config", "Engine", "Layers"],
    packages: []
  },
  facade: {
    files: /^src\/(job-trigger-engine|edge)\.ts$/,
    components: [
      "Database",
      "Domain",
      "Services",
      "Config",
      "Metrics",
      "Version",
      "Http",
      "Engine",
      "Layers"
    ],
    packages: ["effect", "@effect/platform", "@supabase/supabase-js"]
  },
  main: {
    files: /^src\/main\.ts$/,
    components: [
      "Domain",
      "Services",
      "Config",
      "Metrics",
      "Version",
      "Http",
      "Database",
      "Engine",
      "Layers",
      "Operator",
      "Cli"
    ],
    packages: ["effect", "@effect/platform", "bun"]
  }
}

const OWNERS: Readonly<Record<string, RegExp>> = {
  "@decimalturn/toml-patch": /^src\/Cli\/Setup\/ConfigToml\.ts$/,
  croner: /^src\/Domain\/Schedule\/\w+\.ts$/,
  "@supabase/supabase-js": /^src\/(Layers\/SupabaseLive|job-trigger-engine)\.ts$/,
  "@effect/opentelemetry": /^src\/Layers\/Telemetry\w*\.ts$/,
  "@electric-sql/pglite": /^src\/Layers\/Embedded\w*\.ts$/
}

/** Files that Deno and browsers also load. Everything that these files import must be portable, too. */
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

/** APIs that Effect replaces; docs/adr/0023 lists the exceptions. */
const HAND_MADE: Readonly<Record<string, RegExp>> = {
  Engine: /\bEffect\.(async\w*|runFork|runPromise\w*|runSync\w*)\b|\bthis\./,
  Layers: /\bEffect\.(runFork|runPromise\w*|runSync\w*)\b/
}
const BAD_NAME = /(^|\/)(index|utils?|helpers?|types|common)\.ts$/i
const BUN_GLOBAL = /\b(Bun|process|Buffer)\s*[.[(]/
/** The façade can read the environment, because Deno and Node also have `process.env`. */
const ENVIRONMENT = /\bprocess\.env\b/g
const SQL_HOME = /^(supabase\/(migrations\/|schema\.sql$)|deploy\/|docs\/reference\/)/
const NOT_RUN = /\b(test|it|describe)\.(skip|only|todo)\b/
const LATER = /\b(TODO|FIXME)\b/
const MAX_LINES = 300

/** The path is split into parts, so that this file does not violate its own rule. */
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

const componentOf = (path: string): string | undefined =>
  Object.entries(COMPONENTS).find(([, { files }]) => files.test(path))?.[0]

const packageOf = (specifier: string): string => {
  if (specifier.startsWith("node:") || specifier.startsWith("bun:")) return "bun"
  const parts = specifier.split("/")
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/")
}

const resolve = (from: string, specifier: string): string =>
  new URL(specifier, `file:///${from}`).pathname.slice(1)

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith(".")

const importFaults = (path: string, source: string): ReadonlyArray<string> => {
  const name = componentOf(path)
  const component = name === undefined ? undefined : COMPONENTS[name]
  if (component === undefined) return ["is in no component"]
  return importsOf(source).flatMap((imported): ReadonlyArray<string> => {
    const { specifier, typeOnly } = imported
    if (specifier === "(computed)") return ["has an import that cannot be read from the source"]
    if (!isRelative(imported)) {
      const wanted = packageOf(specifier)
      if (!component.packages.includes(wanted)) return [`${name} may not import ${specifier}`]
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
    const targetComponent = componentOf(target)
    if (/^src\/Layers\/\w+Live\.ts$/.test(target) && name === "Layers") {
      return [`one Layer may not import another: ${specifier}`]
    }
    if (
      targetComponent === name ||
      (targetComponent !== undefined && component.components.includes(targetComponent))
    )
      return []
    if (targetComponent !== undefined && component.types?.includes(targetComponent)) {
      return typeOnly ? [] : [`${name} may import only types of ${targetComponent}: ${specifier}`]
    }
    return [`${name} may not import ${specifier}`]
  })
}

/** Includes type-only imports. Includes dynamic imports only if `lazily` is true. */
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
  const handMade = HAND_MADE[componentOf(path) ?? ""]?.exec(code)?.[0]
  if (handMade !== undefined) faults.push(`the engine is made of Effect's own parts: ${handMade}`)
  if (BAD_NAME.test(path)) faults.push("has a name that says nothing")
  const globals = componentOf(path) === "facade" ? code.replace(ENVIRONMENT, "") : code
  if (portable && BUN_GLOBAL.test(globals))
    faults.push("uses Bun's or Node's globals where Deno goes")
  if (portable && importsOf(source).some(({ specifier }) => packageOf(specifier) === "bun")) {
    faults.push("uses Bun's or Node's modules where Deno goes")
  }
  return faults
}

/** Names that every module of a kind exports, or that callers qualify with the module's name, as in `Duration.format`. */
const SHARED_NAMES: ReadonlySet<string> = new Set([
  "main",
  "json",
  "layer",
  "light",
  "make",
  "parse",
  "format",
  "empty",
  "read"
])
const EXPORTED = /^export (?:async )?(?:const|interface|class|type|function) (\w+)/gm

const duplicateNamesOf = (tree: Tree): ReadonlyArray<string> => {
  const owners = new Map<string, Set<string>>()
  for (const [path, source] of tree) {
    if (!isSource(path)) continue
    const exported = [...source.matchAll(EXPORTED)].map(([, name = ""]) => name)
    const names = exported.filter((name) => !SHARED_NAMES.has(name))
    for (const name of [path.slice(path.lastIndexOf("/") + 1), ...names]) {
      owners.set(name, (owners.get(name) ?? new Set()).add(path))
    }
  }
  return [...owners].flatMap(([name, paths]) =>
    paths.size > 1 ? [`${name} means two things: ${[...paths].join(", ")}`] : []
  )
}

export const componentGraphOf = (tree: Tree): ReadonlyMap<string, ReadonlyArray<string>> => {
  const graph = new Map<string, Set<string>>()
  for (const [path, targets] of graphOf(tree, true)) {
    const from = componentOf(path)
    if (from === undefined) continue
    const known = graph.get(from) ?? new Set()
    for (const target of targets) {
      const to = componentOf(target)
      if (to !== undefined && to !== from) known.add(to)
    }
    graph.set(from, known)
  }
  return new Map([...graph].map(([from, to]) => [from, [...to].toSorted()]))
}

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
  const cycles = cyclesOf(graphOf(tree, false)).map((cycle) => `cycle: ${cycle}`)
  return [...inFiles, ...cycles, ...duplicateNamesOf(tree)]
}

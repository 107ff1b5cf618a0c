/**
 * Builds the documentation site into dist/site. Usage: `bun run site`. `SITE_BASE` is the path under which the site is served,
 * such as `/sync-scheduler/`; the default is `/`. The pages are the same Markdown files as on GitHub.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { icons } from "../src/Server/Pages/Assets.ts"
import { ENTRIES, emitTypes } from "./release/Library.ts"
import { landingPage } from "./site/Landing.ts"
import { outsidePages, pageOf } from "./site/Pages.ts"

const root = resolve(import.meta.dir, "..")
const site = join(root, "site")
const content = join(site, ".content")
const types = join(content, ".types")

const read = (path: string): Promise<string> => readFile(join(root, path), "utf8")

/** Runs a program and returns its stdout. Throws when the program fails. */
const run = async (command: ReadonlyArray<string>, cwd: string): Promise<string> => {
  const child = Bun.spawn([...command], { cwd, stdin: "ignore", stdout: "pipe", stderr: "inherit" })
  const stdout = await new Response(child.stdout).text()
  if ((await child.exited) !== 0)
    throw new Error(`${basename(command[0] ?? "")} failed:\n${stdout}`)
  return stdout
}

const stage = async (): Promise<void> => {
  const docs = await readdir(join(root, "docs"), { recursive: true })
  for (const path of [...outsidePages, ...docs.map((name) => `docs/${name}`)]) {
    const isPicture = /\.(png|svg)$/.test(path)
    const page = isPicture ? path.slice("docs/".length) : pageOf(path)
    if (page === undefined) continue
    await mkdir(dirname(join(content, page)), { recursive: true })
    await cp(join(root, path), join(content, page))
  }
  const [readme, tutorial, demo] = await Promise.all([
    read("README.md"),
    read("docs/tutorial/first-sync.md"),
    run([process.execPath, "src/main.ts", "demo"], root)
  ])
  await writeFile(join(content, "index.md"), landingPage({ readme, tutorial, demo }))
  await mkdir(join(content, "public"))
  await writeFile(join(content, "public/icon.svg"), icons.good.body)
}

const writeApi = async (): Promise<void> => {
  await emitTypes(types)
  const names = Object.entries(ENTRIES).map(async ([subpath, source]) => {
    const name = subpath.replace(/^\./, "sync-scheduler")
    const file = join(types, "entries", `${name}.d.ts`)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, `export * from "${join(types, source).replace(/\.ts$/, ".js")}"\n`)
    return file
  })
  const entryPoints = await Promise.all(names)
  const options = { extends: join(site, "typedoc.json"), entryPoints, out: join(content, "api") }
  await writeFile(join(types, "typedoc.json"), JSON.stringify(options))
  const typedoc = join(site, "node_modules/.bin/typedoc")
  await run([typedoc, "--options", join(types, "typedoc.json")], site)
}

await rm(content, { recursive: true, force: true })
await Promise.all([stage(), writeApi()])
await rm(types, { recursive: true })
await run([join(site, "node_modules/.bin/vitepress"), "build", "."], site)

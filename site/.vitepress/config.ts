import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitepress"
import { siteLinks } from "../../scripts/site/Links.ts"
import { anchorOf, fileOf, outsidePages, pageOf } from "../../scripts/site/Pages.ts"
import { decisions, runbooks, tasks } from "../../scripts/site/Sidebar.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
const sources = new Map(
  [...outsidePages, ...docs.map((name) => `docs/${name}`)].flatMap((path) => {
    const page = pageOf(path)
    return page === undefined ? [] : [[page, path] as const]
  })
)
const linked = new Set<string>()

// In the generated API pages, a module that contains namespaces is a folder with an index page.
const api = Object.keys(JSON.parse(read("jsr.json")).exports).map((subpath) => {
  const name = subpath.replace(/^\./, "sync-scheduler")
  const isFolder = existsSync(join(root, "site/.content/api", name, "index.md"))
  return { text: name, link: `/api/${name}${isFolder ? "/index" : ""}.md` }
})

const base = process.env.SITE_BASE ?? "/"

export default defineConfig({
  title: "Sync Scheduler",
  description: read("README.md").split("\n")[2],
  base,
  lang: "en",
  srcDir: ".content",
  outDir: "../dist/site",
  cacheDir: "node_modules/.cache/vitepress",
  metaChunk: true,
  head: [["link", { rel: "icon", href: `${base}icon.svg` }]],
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark" },
    anchor: { slugify: anchorOf },
    config: (markdown) => siteLinks(root, sources, linked)(markdown)
  },
  // The search index is large, but loads only at the first search.
  vite: { build: { chunkSizeWarningLimit: 1_000 } },
  buildEnd: ({ outDir }) => {
    for (const path of linked) {
      const to = join(outDir, fileOf(path))
      mkdirSync(dirname(to), { recursive: true })
      cpSync(join(root, path), to)
    }
  },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Documentation", link: "/documentation.md" },
      { text: "API", link: "/api/index.md" },
      { text: "Runbooks", link: "/runbooks/index.md" },
      { text: "Decisions", link: "/adr/index.md" },
      { text: "Changelog", link: "/changelog.md" }
    ],
    sidebar: {
      "/": tasks(read("docs/README.md")),
      "/api/": [{ text: "API of the library", items: api }],
      "/runbooks/": runbooks(read("docs/runbooks/README.md")),
      "/adr/": decisions(read("docs/adr/README.md"))
    }
  }
})

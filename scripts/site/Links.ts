import { existsSync } from "node:fs"
import { join, posix } from "node:path"
import { fileOf, pageOf, targetOf } from "./Pages.ts"

interface Token {
  readonly type: string
  info: string
  content: string
  readonly children: Array<Token> | null
  readonly attrGet: (name: string) => string | null
  readonly attrSet: (name: string, value: string) => void
}

/** The part of markdown-it that this plugin uses. */
interface Markdown {
  readonly core: {
    readonly ruler: {
      readonly push: (
        name: string,
        rule: (state: {
          tokens: Array<Token>
          readonly env: { readonly relativePath?: string }
        }) => void
      ) => void
    }
  }
}

/** The source file of each page, except for generated pages. */
export type Sources = ReadonlyMap<string, string>

const isExternal = (link: string): boolean => /^[a-z]+:/i.test(link)

/**
 * Converts pages written for GitHub into site pages. A link to a file that is not a page points to a copy, and the file's path is
 * added to `linked`. Throws on a broken link.
 */
export const siteLinks =
  (root: string, sources: Sources, linked: Set<string>) =>
  (markdown: Markdown): void => {
    const hrefOf = (page: string, from: string, link: string): string => {
      if (isExternal(link) || link.startsWith("#")) return link
      const { path, anchor } = targetOf(from, link)
      const target = pageOf(path)
      if (target !== undefined) return `/${target}${anchor}`
      if (!existsSync(join(root, path))) throw new Error(`${page}: broken link: ${link}`)
      linked.add(path)
      return `/${fileOf(path)}`
    }
    // Pictures in docs/ keep their position relative to the pages.
    const pictureOf = (page: string, from: string, link: string): string => {
      if (isExternal(link)) return link
      const { path } = targetOf(from, link)
      const to = posix.relative(posix.dirname(page), path.replace(/^docs\//, ""))
      return to.startsWith(".") ? to : `./${to}`
    }
    const visit = (tokens: ReadonlyArray<Token>, page: string, from: string): void => {
      for (const token of tokens) {
        const href = token.type === "link_open" ? token.attrGet("href") : null
        const src = token.type === "image" ? token.attrGet("src") : null
        if (href !== null) token.attrSet("href", hrefOf(page, from, href))
        if (src !== null) token.attrSet("src", pictureOf(page, from, src))
        if (token.type === "html_block") {
          token.content = token.content.replace(
            /\b(src|srcset)="([^"]+)"/g,
            (_, name: string, link: string) => `${name}="${pictureOf(page, from, link)}"`
          )
        }
        // The words after the language are annotations for the tests.
        if (token.type === "fence") token.info = token.info.split(" ")[0] ?? ""
        if (token.children !== null) visit(token.children, page, from)
      }
    }
    markdown.core.ruler.push("site_links", (state) => {
      const page = state.env.relativePath ?? ""
      const from = sources.get(page)
      if (from === undefined) return
      state.tokens = state.tokens.filter(
        ({ content, type }) => type !== "html_block" || !content.startsWith("<!--")
      )
      visit(state.tokens, page, from)
    })
  }

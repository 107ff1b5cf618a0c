import { Hash } from "effect"
import styles from "./page.css" with { type: "text" }
import script from "./page.js" with { type: "text" }

/** A static file. Browsers can cache it forever, because its name changes with its content. */
export interface Asset {
  readonly path: `/${string}`
  readonly type: string
  readonly body: string
}

const asset = (name: string, extension: string, type: string, body: string): Asset => ({
  path: `/assets/${name}.${(Hash.string(body) >>> 0).toString(36)}.${extension}`,
  type,
  body
})

const icon = (name: string, drawing: string): Asset =>
  asset(
    name,
    "svg",
    "image/svg+xml",
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${drawing}</svg>`
  )

const face = (colour: string, hands: string): string =>
  `<rect width="32" height="32" rx="8" fill="${colour}"/><path d="${hands}" fill="none" stroke="#fff" stroke-width="3.6" stroke-linecap="round" stroke-linejoin="round"/>`

export const stylesheet = asset("page", "css", "text/css; charset=utf-8", styles)
export const behaviour = asset("page", "js", "text/javascript; charset=utf-8", script)
export const icons = {
  good: icon("good", face("#1c7a45", "m8.5 16.5 5.200 5.200L23.5 10.5")),
  bad: icon("bad", face("#c4242b", "m10 10 12 12m0-12L10 22")),
  warn: icon("warn", face("#96590a", "M16 8.5v9.5m0 5.5v.1")),
  idle: icon("idle", face("#646973", "M9 16h.1M16 16h.1M23 16h.1"))
} as const

export const assets: ReadonlyMap<string, Asset> = new Map(
  [stylesheet, behaviour, ...Object.values(icons)].map((one) => [one.path, one])
)

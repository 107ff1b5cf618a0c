import { join, resolve } from "node:path"

export const siteDirectory = resolve(import.meta.dir, "../../dist/site")

/** Serves the built site as a static host does. */
export const serveSite = (): { readonly url: string; readonly stop: () => Promise<void> } => {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url)
      const file = Bun.file(join(siteDirectory, pathname.replace(/\/$/, "/index.html")))
      return (await file.exists()) ? new Response(file) : new Response("", { status: 404 })
    }
  })
  return { url: server.url.origin, stop: () => server.stop(true) }
}

import { readFileSync } from "node:fs"
import { join } from "node:path"

const folder = join(import.meta.dir, "certificates")
/** A self-signed test certificate for `vendor.test` and all its subdomains. */
export const authority = readFileSync(join(folder, "vendor.pem"), "utf8")
const key = readFileSync(join(folder, "vendor.key.pem"), "utf8")

export interface VendorServer {
  readonly port: number
  readonly requests: ReadonlyArray<{
    readonly method: string
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
  }>
  readonly answer: (answer: (request: Request) => Response | Promise<Response>) => void
  readonly close: () => Promise<void>
}

export const serveVendor = (hostname = "127.0.0.1", port = 0): VendorServer => {
  const requests: Array<VendorServer["requests"][number]> = []
  let behave: (request: Request) => Response | Promise<Response> = () =>
    new Response(null, { status: 401 })
  const server = Bun.serve({
    hostname,
    port,
    tls: { cert: authority, key },
    fetch: (request) => {
      const { headers, method, url } = request
      requests.push({ method, url, headers: Object.fromEntries(headers) })
      return behave(request)
    }
  })
  return {
    port: server.port ?? 0,
    requests,
    answer: (answer) => {
      behave = answer
    },
    close: () => server.stop(true)
  }
}

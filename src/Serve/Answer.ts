/** What every answer says to a browser: only our own files, in no frame, and nothing is told to other sites. */
const SECURITY: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
}

/** Shorter bodies are not worth compressing. */
const MIN_BYTES = 1_024

/** A page. It shows how things are at this moment, so nobody keeps it. */
export const htmlAnswer = (html: string, status = 200): Response =>
  new Response(html, {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }
  })

/** Leads a browser on, after a form was sent. `path` is one of ours. */
export const redirectAnswer = (
  path: string,
  headers: Readonly<Record<string, string>> = {}
): Response =>
  new Response(null, {
    status: 303,
    headers: { ...headers, location: path, "cache-control": "no-store" }
  })

/** A path of this server that may follow `location:`; anything else is the front page. */
export const localPath = (wanted: string | null): string =>
  wanted !== null && /^\/(?![/\\])[\w\-./?=&%+:,@]{0,1000}$/.test(wanted) ? wanted : "/"

/** An answer as it is sent: with what every answer says, compressed where that helps, without a body for HEAD. */
export const sealed = async (answer: Response, request: Request): Promise<Response> => {
  const headers = new Headers(answer.headers)
  for (const [name, value] of Object.entries(SECURITY)) headers.set(name, value)
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store")
  headers.set("vary", "accept-encoding, cookie, authorization")
  const { status } = answer
  if (answer.body === null) return new Response(null, { status, headers })
  const body = new Uint8Array(await answer.arrayBuffer())
  if (request.method === "HEAD") {
    headers.set("content-length", String(body.length))
    return new Response(null, { status, headers })
  }
  const mayZip = /\bgzip\b(?!;q=0(?:\.0+)?\b)/.test(request.headers.get("accept-encoding") ?? "")
  if (!mayZip || body.length < MIN_BYTES) return new Response(body, { status, headers })
  headers.set("content-encoding", "gzip")
  return new Response(Bun.gzipSync(body, { level: 5 }), { status, headers })
}

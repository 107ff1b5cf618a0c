import { type Answer, RESET } from "./HttpServer.ts"

// Headers that apply to a single connection rather than to the message.
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "content-length", "host"]

/** Modifies neither the request nor the response. Does not follow redirects. */
export const passOn = async (
  functionsUrl: string | undefined,
  request: Request,
  path: string,
  body: Uint8Array<ArrayBuffer>
): Promise<Answer> => {
  if (functionsUrl === undefined) {
    return Response.json(
      { code: "NOT_FOUND", message: "Requested function was not found" },
      { status: 404, headers: { "sb-error-code": "NOT_FOUND" } }
    )
  }
  if (request.method === "HEAD") return new Response(null, { status: 405 })
  const headers = new Headers(request.headers)
  for (const name of HOP_BY_HOP) headers.delete(name)
  try {
    const answer = await fetch(`${functionsUrl.replace(/\/$/, "")}/${path}`, {
      method: request.method,
      headers,
      body: request.method === "GET" ? null : body,
      redirect: "manual",
      decompress: false,
      signal: request.signal
    })
    const back = new Headers(answer.headers)
    for (const name of HOP_BY_HOP) back.delete(name)
    return new Response(answer.body, { status: answer.status, headers: back })
  } catch {
    // The function's server closed the connection, or the caller disconnected.
    return RESET
  }
}

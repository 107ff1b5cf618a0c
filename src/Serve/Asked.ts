import type { Access, Visitor } from "./Access.ts"

/** One request that may be looked at: who asks what. */
export interface Asked {
  readonly request: Request
  readonly url: URL
  readonly visitor: Visitor
  readonly access: Access
}

/** What a client can read, the best first: programs ask for JSON or under `/api`, browsers for HTML, others get text. */
export const wantedBy = (request: Request): "json" | "html" | "text" => {
  const accepted = request.headers.get("accept") ?? ""
  const isApi = URL.parse(request.url)?.pathname.startsWith("/api/") === true
  if (/\btext\/html\b/.test(accepted)) return "html"
  return isApi || /\bapplication\/json\b/.test(accepted) ? "json" : "text"
}

/** Whether a request only reads. */
export const isReading = ({ method }: Request): boolean => method === "GET" || method === "HEAD"

import { HttpServerResponse } from "@effect/platform"

/** Returns a page as a response. The response is never cached, because the page shows the current state. */
export const htmlResponse = (html: string, status = 200): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(html, { status, contentType: "text/html; charset=utf-8" })

/** Redirects a browser to a path on this server. */
export const redirectResponse = (
  path: string,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.redirect(path, { status: 303, headers })

/** Returns `wanted` if it is a path on this server that is safe in a `location` header, and the front page otherwise. */
export const localPath = (wanted: string): string =>
  /^\/(?![/\\])[\w\-./?=&%+:,@]{0,1000}$/.test(wanted) ? wanted : "/"

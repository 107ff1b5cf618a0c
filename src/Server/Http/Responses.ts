import { HttpServerResponse } from "@effect/platform"

export const htmlResponse = (html: string, status = 200): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(html, { status, contentType: "text/html; charset=utf-8" })

/** `path` must be a path on this server. */
export const redirectResponse = (
  path: string,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.redirect(path, { status: 303, headers })

/** Returns `wanted` if it is a safe path on this server, and the front page otherwise. */
export const localPath = (wanted: string): string =>
  /^\/(?![/\\])[\w\-./?=&%+:,@]{0,1000}$/.test(wanted) ? wanted : "/"

/** Why a request is not answered as asked: what and why (`message`), and how to fix it (`hint`), under a stable code. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 414 | 415 | 421 | 500 | 503
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A refusal in the shape of the command line's errors, or as text for people. */
export const refusalResponse = (
  { code, headers, hint, message, status }: Refusal,
  asJson: boolean
): Response => {
  const common = { ...headers, "cache-control": "no-store", "x-reason": ascii(message) }
  if (asJson) {
    return Response.json({ errors: [{ code, message, hint }] }, { status, headers: common })
  }
  return new Response(`${status} ${message}\n${hint === "" ? "" : `Fix: ${hint}\n`}`, {
    status,
    headers: { ...common, "content-type": "text/plain; charset=utf-8" }
  })
}

/** What may stand in a header. */
const ascii = (text: string): string => text.replace(/[^\u0020-\u007e]/g, "?").slice(0, 200)

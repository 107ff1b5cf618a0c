/** Why a request is not answered as asked: what and why (`message`), and how to fix it (`hint`), under a stable code. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 414 | 415 | 421 | 500 | 503
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly headers?: Readonly<Record<string, string>>
}

/** There is nothing at this address. */
export const notFound: Refusal = {
  status: 404,
  code: "NOT_FOUND",
  message: "There is nothing at this address",
  hint: "The page is at /, and what programs may ask is described in /api/openapi.json."
}

/** A refusal as JSON, in the shape of the command line's errors. */
export const errorsOf = ({ code, hint, message }: Refusal) => ({
  errors: [{ code, message, hint }]
})

/** A refusal for programs. */
export const jsonRefusal = (refusal: Refusal): Response =>
  Response.json(errorsOf(refusal), { status: refusal.status, headers: headersOf(refusal) })

/** A refusal for a terminal. */
export const textRefusal = (refusal: Refusal): Response => {
  const { hint, message, status } = refusal
  return new Response(`${status} ${message}\n${hint === "" ? "" : `Fix: ${hint}\n`}`, {
    status,
    headers: { ...headersOf(refusal), "content-type": "text/plain; charset=utf-8" }
  })
}

/** A refusal for people, as a page. */
export const htmlRefusal = (refusal: Refusal, page: string): Response =>
  new Response(page, {
    status: refusal.status,
    headers: { ...headersOf(refusal), "content-type": "text/html; charset=utf-8" }
  })

const headersOf = ({ headers }: Refusal): Readonly<Record<string, string>> => ({
  ...headers,
  "cache-control": "no-store"
})

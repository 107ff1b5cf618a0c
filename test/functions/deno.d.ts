/** The part of Deno that the functions use, for `tsc`; `deno check` sees the real one. */
declare namespace Deno {
  const env: { get(name: string): string | undefined }
  function serve(handler: (request: Request) => Response | Promise<Response>): unknown
}

/** The parts of Deno that the functions use, declared for `tsc`; `deno check` uses the real types. */
declare namespace Deno {
  const env: { get(name: string): string | undefined }
  function serve(handler: (request: Request) => Response | Promise<Response>): unknown
}

// Serves POST /functions/v1/sleep-<ms>, which returns {"success": true} after <ms> milliseconds.
let calls = 0
const runs = new Set<string>()
let inFlight = 0
let peak = 0

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 60,
  fetch: async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname === "/stats") {
      const stats = { calls, runs: runs.size, peak }
      calls = 0
      runs.clear()
      peak = 0
      return Response.json(stats)
    }
    calls += 1
    runs.add(request.headers.get("idempotency-key") ?? "")
    inFlight += 1
    if (inFlight > peak) peak = inFlight
    await request.json()
    const ms = Number(pathname.slice(pathname.lastIndexOf("-") + 1))
    if (ms > 0) await Bun.sleep(ms)
    inFlight -= 1
    return Response.json({ success: true })
  }
})
console.log(JSON.stringify({ url: `http://127.0.0.1:${server.port}` }))

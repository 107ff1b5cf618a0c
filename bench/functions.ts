// The functions, in a process of their own: POST /functions/v1/sleep-<ms> answers {"success": true} after so long.
let calls = 0
let inFlight = 0
let peak = 0

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 60,
  fetch: async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname === "/stats") {
      const stats = { calls, peak }
      calls = 0
      peak = 0
      return Response.json(stats)
    }
    calls += 1
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

import { heapStats } from "bun:jsc"
import { readFileSync } from "node:fs"
import type { Contender, Measured, Spec } from "./Spec.ts"

/** Returns this process's peak memory in MB. getrusage would report at least the parent's peak. */
const peakRssMb = (): number => {
  const status = readFileSync("/proc/self/status", "utf8")
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
}

export const specOfProcess = (): Spec => JSON.parse(process.env.BENCH_SPEC ?? "")

/** Runs the contender in BENCH_SPEC, and prints one line of JSON. */
export const work = async (contender: Contender): Promise<never> => {
  const spec = specOfProcess()
  const { tick, close } = await contender(spec)
  const before = process.cpuUsage()
  const start = performance.now()
  const done = await tick()
  const wallMs = performance.now() - start
  const cpu = process.cpuUsage(before)
  const peak = peakRssMb()
  Bun.gc(true)
  const measured: Measured = {
    wallMs,
    cpuMs: (cpu.user + cpu.system) / 1000,
    peakRssMb: peak,
    liveHeapMb: heapStats().heapSize / 2 ** 20,
    done: done ?? { completed: spec.jobs, lost: 0 }
  }
  console.log(JSON.stringify(measured))
  await close()
  process.exit(0)
}

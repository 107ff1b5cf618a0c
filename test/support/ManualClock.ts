export interface ManualClock {
  readonly now: () => number
  readonly after: (ms: number, callback: () => void) => () => void
  /** Advances the time and runs the callbacks that become due, in order. */
  readonly advance: (ms: number) => Promise<void>
}

/** Waits until the callbacks of settled promises have run. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 0))
}

export const makeManualClock = (startMs: number): ManualClock => {
  let nowMs = startMs
  const timers = new Map<object, { readonly atMs: number; readonly callback: () => void }>()
  const earliest = () =>
    [...timers].reduce<[object, { atMs: number; callback: () => void }] | undefined>(
      (first, one) => (first === undefined || one[1].atMs < first[1].atMs ? one : first),
      undefined
    )
  return {
    now: () => nowMs,
    after: (ms, callback) => {
      const key = {}
      timers.set(key, { atMs: nowMs + Math.max(0, ms), callback })
      return () => timers.delete(key)
    },
    advance: async (ms) => {
      const endMs = nowMs + ms
      for (;;) {
        await settle()
        const next = earliest()
        if (next === undefined || next[1].atMs > endMs) break
        timers.delete(next[0])
        nowMs = Math.max(nowMs, next[1].atMs)
        next[1].callback()
      }
      nowMs = endMs
      await settle()
    }
  }
}

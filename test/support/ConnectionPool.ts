/**
 * Hands out a bounded number of places, first come first served, and gives up waiting after a time, as PostgREST's pool
 * does. Bun's own pool queues without end.
 */
export class ConnectionPool {
  private readonly waiting: Array<() => void> = []
  private free: number
  private readonly timeoutMs: number

  constructor(size: number, timeoutMs: number) {
    this.free = size
    this.timeoutMs = timeoutMs
  }

  /** A function that gives the place back, or undefined when none became free in time. */
  async acquire(): Promise<(() => void) | undefined> {
    if (this.free > 0) this.free -= 1
    else if (!(await this.queue())) return undefined
    return () => {
      const next = this.waiting.shift()
      if (next === undefined) this.free += 1
      else next()
    }
  }

  private queue(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(proceed), 1)
        resolve(false)
      }, this.timeoutMs)
      const proceed = () => {
        clearTimeout(timer)
        resolve(true)
      }
      this.waiting.push(proceed)
    })
  }
}

/**
 * Invokes the function for every contender except Sync Scheduler's engine; `keepalive` reuses connections. Fails unless the
 * function reports success.
 */
export const invoke = async (functionUrl: string, id: string, keepalive = true): Promise<void> => {
  const response = await fetch(functionUrl, {
    method: "POST",
    keepalive,
    headers: { "content-type": "application/json", "idempotency-key": id },
    body: JSON.stringify({ id })
  })
  const answer = await response.json()
  if (answer.success !== true) throw new Error(`HTTP ${response.status}`)
}

/** Processes the items with `count` workers. A worker takes the next item as soon as it is free. */
export const pool = async <A>(
  items: ReadonlyArray<A>,
  count: number,
  work: (item: A) => Promise<void>
): Promise<void> => {
  let at = 0
  const worker = async () => {
    for (let item = items[at++]; item !== undefined; item = items[at++]) await work(item)
  }
  await Promise.all(Array.from({ length: count }, worker))
}

/** Batches concurrent calls. Calls that arrive while a batch is in progress form the next batch. */
export const microBatch = (
  send: (ids: ReadonlyArray<string>) => Promise<void>
): ((id: string) => Promise<void>) => {
  let waiting: Array<{ id: string; done: () => void; failed: (error: unknown) => void }> = []
  let busy = false
  const flush = async (): Promise<void> => {
    busy = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await send(batch.map(({ id }) => id))
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    busy = false
  }
  return (id) =>
    new Promise((done, failed) => {
      waiting.push({ id, done, failed })
      if (!busy) void Promise.resolve().then(flush)
    })
}

// Keeps an open page true: fetches it again and puts in what changed, so that focus, scroll, selection and open forms stay.
// Without this script the page is the same, and reloads itself.
;(() => {
  const page = document.documentElement
  const find = (id) => document.getElementById(id)
  const [fresh, stamp, alarm, pause, search] = ["fresh", "stamp", "alarm", "pause", "q"].map(find)
  const every = Number(page.dataset.refresh) * 1000
  let isPaused = false
  let timer = 0
  let request = new AbortController()

  const isTwin = (node, child) =>
    node?.nodeName === child.nodeName && (node.id ?? "") === (child.id ?? "")

  /** Makes `have` what `want` is, with as few changes as keep the reader where they are. */
  const morph = (have, want) => {
    if (have.isEqualNode(want)) return
    if (have.nodeType !== Node.ELEMENT_NODE) {
      have.data = want.data
      return
    }
    const isKept = (name) =>
      (name === "open" && have.nodeName === "DETAILS") ||
      (name === "title" && have.nodeName === "TIME")
    for (const { name } of [...have.attributes]) {
      if (!want.hasAttribute(name) && !isKept(name)) have.removeAttribute(name)
    }
    for (const { name, value } of want.attributes) {
      if (have.getAttribute(name) !== value && !isKept(name)) have.setAttribute(name, value)
    }
    const named = new Map([...have.children].filter(({ id }) => id).map((one) => [one.id, one]))
    let at = have.firstChild
    for (const child of [...want.childNodes]) {
      const twin = child.id ? named.get(child.id) : at
      if (!isTwin(twin, child)) {
        have.insertBefore(child, at)
        continue
      }
      if (twin === at) at = at.nextSibling
      else have.insertBefore(twin, at)
      morph(twin, child)
    }
    while (at) {
      const next = at.nextSibling
      at.remove()
      at = next
    }
  }

  const put = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html")
    const { dataset } = next.documentElement
    if (!dataset.now) throw new Error("that was not this page")
    if (dataset.assets !== page.dataset.assets) return location.reload()
    const focused = document.activeElement
    document.title = next.title
    const icon = document.querySelector("link[rel=icon]")
    const shown = next.querySelector("link[rel=icon]").getAttribute("href")
    if (icon.getAttribute("href") !== shown) icon.setAttribute("href", shown)
    page.classList.toggle("old", next.documentElement.classList.contains("old"))
    page.dataset.now = dataset.now
    stamp.textContent = next.getElementById("stamp").textContent
    morph(find("main"), next.getElementById("main"))
    if (focused !== document.activeElement && focused?.isConnected) {
      focused.focus({ preventScroll: true })
    }
  }

  const warn = (words) => {
    const isStale = words !== ""
    page.classList.toggle("stale", isStale)
    if (alarm.firstElementChild.textContent !== words) alarm.firstElementChild.textContent = words
    alarm.hidden = !isStale
  }

  /** Takes something out of the address that was meant for one look. */
  const forget = (name) => {
    const url = new URL(location.href)
    url.searchParams.delete(name)
    if (url.href !== location.href) history.replaceState(null, "", url)
  }

  const fail = (why) =>
    warn(`Not up to date: this is how things were at ${stamp.textContent}. ${why}. Trying again.`)

  const refresh = async () => {
    clearTimeout(timer)
    request.abort()
    request = new AbortController()
    const { signal } = request
    const limit = setTimeout(() => request.abort(new Error("no answer in time")), 20_000)
    try {
      const answer = await fetch(location.href, { signal, headers: { accept: "text/html" } })
      if (!answer.ok) return fail(answer.headers.get("x-reason") ?? `HTTP ${answer.status}`)
      put(await answer.text())
      warn("")
      forget("did")
    } catch {
      if (signal === request.signal) fail("The scheduler does not answer")
    } finally {
      clearTimeout(limit)
      if (signal === request.signal) schedule()
    }
  }

  const schedule = () => {
    clearTimeout(timer)
    if (every > 0 && !isPaused && !document.hidden) timer = setTimeout(refresh, every)
  }

  /** Rows that do not match go at once; the server, asked a moment later, has the last word. */
  const filter = () => {
    const words = search.value.trim().toLowerCase()
    for (const row of document.querySelectorAll("[data-rows] > *")) {
      row.hidden = words !== "" && !row.textContent.toLowerCase().includes(words)
    }
  }

  fresh.textContent = "Updated"
  pause.hidden = every === 0
  pause.addEventListener("click", () => {
    isPaused = !isPaused
    pause.setAttribute("aria-pressed", String(isPaused))
    pause.textContent = isPaused ? "Resume" : "Pause"
    fresh.textContent = isPaused ? "Paused at" : "Updated"
    if (isPaused) clearTimeout(timer)
    else refresh()
  })
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer)
    else if (every > 0 && !isPaused) refresh()
  })
  if (location.pathname === "/") {
    search.addEventListener("input", () => {
      const url = new URL(location.href)
      if (search.value.trim() === "") url.searchParams.delete("q")
      else url.searchParams.set("q", search.value.trim())
      history.replaceState(null, "", url)
      filter()
      clearTimeout(timer)
      timer = setTimeout(refresh, 250)
    })
  }
  document.addEventListener("pointerover", ({ target }) => {
    if (target.nodeName === "TIME")
      target.title = `${target.dateTime.replace("T", " ").replace("Z", "")} UTC`
  })
  schedule()
})()

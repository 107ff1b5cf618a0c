import { describe, expect, test } from "bun:test"
import { clip, empty, html, join } from "../../../src/Server/Pages/Html.ts"

describe("the html tag", () => {
  test("escapes text in elements and attributes, but not markup or lists of markup", () => {
    const hostile = `<script>alert("1")</script>&'`
    expect(html`<b title="${hostile}">${hostile}</b>`.markup).toBe(
      '<b title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;">' +
        "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;</b>"
    )
    expect(html`<p>${html`<i>${"a<b"}</i>`}${[html`<u>1</u>`, html`<u>2</u>`]}</p>`.markup).toBe(
      "<p><i>a&lt;b</i><u>1</u><u>2</u></p>"
    )
  })

  test("treats a string that looks like markup as text", () => {
    const forged: unknown = JSON.parse('{"markup": "<script>"}')
    expect(html`${String(forged)}`.markup).toBe("[object Object]")
  })

  test("renders null, undefined and false as nothing, and zero as 0", () => {
    expect(html`${null}${undefined}${false}${0}${empty}`.markup).toBe("0")
  })
})

test("join puts markup between the parts", () => {
  expect(join([html`a`, html`b`, html`c`], html`<br>`).markup).toBe("a<br>b<br>c")
  expect(join([], html`,`).markup).toBe("")
})

test("clip counts characters and never splits a character", () => {
  expect(clip("short", 5)).toBe("short")
  expect(clip("😀😀😀😀", 4)).toBe("😀😀😀😀")
  expect(clip("😀😀😀😀😀", 4)).toBe("😀😀😀…")
})

// A day in the console, in a real browser: signs in, finds a call, hears it, reviews it, goes on, reveals a number, downloads, signs out.
// Then looks at every page, full and empty, in both languages, light and dark, on a phone and on a desk: by axe-core, and with pictures.
//
// Usage: node console.mjs <url of a stack with calls> <url of one without> <folder for pictures>
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(process.env.CONSOLE_TOOLS + "/");
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [full, empty, pictures] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });

const wrong = [];
const check = (is, what) => {
  if (!is) { wrong.push(what); console.error(`  WRONG: ${what}`); }
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-gpu"],
});

// A browser of somebody's own, which tells what goes wrong on any page, and what is asked of other origins.
async function person(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
  // On a busy machine the page of 20,000 turns takes its time: how long is measured below, not waited for.
  context.setDefaultNavigationTimeout(120000);
  const page = await context.newPage();
  const asked = [];
  page.on("pageerror", (error) => check(false, `the script fails: ${error}`));
  page.on("console", (message) => {
    const text = message.text();
    // What the policy refuses is told so; a page that is refused has its status.
    if (message.type() === "error" && !/status of 4\d\d|media/i.test(text)) check(false, `${page.url()}: ${text}`);
  });
  page.on("request", (request) => asked.push(request.url()));
  return { context, page, asked };
}

async function signIn(page, url, persona = "everything") {
  await page.goto(url);
  await page.click(`button[value=${persona}]`);
  await page.waitForURL((at) => at.href.startsWith(url));
}

async function violations(page, name) {
  // The policy lets no script in but the page's own; the tool comes by the browser's own door.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, help, nodes } of violations) {
    check(false, `axe, ${name}: ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`);
  }
}

async function overflow(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 0, `${name}: ${wide} px wider than the screen`);
}

async function pictured(page, name) {
  await violations(page, name);
  await overflow(page, name);
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

// The day in China that most of the demo's calls are of: these lie up to a day back, and soon after midnight few are of today.
const busy = new Date(Date.now() + (8 - 10) * 3_600_000).toISOString().slice(0, 10);

// --- The walk.
{
  const { context, page, asked } = await person({ acceptDownloads: true });
  await signIn(page, `${full}/calls`);
  check(page.url().endsWith("/calls"), "signing in leads back to where one was");
  console.log("signed in");
  // A call by its task.
  await page.goto(`${full}/tasks?day=${busy}`);
  const task = page.locator("tbody tr", { hasText: "Test drive follow-up" });
  await task.locator("a").first().click();
  check((await page.textContent("h1")).includes("Test drive follow-up"), "the task has its name");
  await page.click("text=Calls of this task");
  // Two outcomes stay chosen, by the page and in its form.
  await page.click(".choice summary");
  await page.check(".choice [value=busy]");
  await page.check(".choice [value=answered]");
  check((await page.textContent(".chosen")) === "Answered, Busy", "what is chosen is told at once");
  await page.keyboard.press("Escape");
  await page.click("form.filters button.primary");
  await page.waitForURL(/outcome=answered&outcome=busy/);
  check((await page.textContent(".chosen")) === "Answered, Busy", "and is chosen still");
  await page.click(".choice summary");
  await page.uncheck(".choice [value=busy]");
  await page.click("form.filters button.primary");
  await page.waitForURL((at) => /outcome=answered/.test(at.href) && !/busy/.test(at.href));
  const rows = page.locator("table.calls tbody tr");
  check((await rows.count()) > 3, "calls of the task");
  // From the list to sound in two clicks.
  const call = rows.filter({ hasNot: page.locator(".badge", { hasText: /Heard|Good|Problem|discuss/ }) });
  await call.first().locator("a").first().click();
  await page.waitForSelector(".player .deck:not([hidden])");
  await page.click("[data-do=play]");
  await page.waitForFunction(() => [...document.querySelectorAll("audio")].some((audio) => audio.currentTime > 0.3), null, { timeout: 60000 });
  console.log("heard");
  // A turn is sought, and the mark moves with what is heard.
  const turns = page.locator(".turns li a");
  check((await turns.count()) > 3, "turns with times");
  await turns.nth(3).click();
  await page.waitForFunction(() => document.querySelectorAll(".turns li")[3].hasAttribute("aria-current"));
  check(/#t=\d/.test(page.url()), "a turn has a link of its own");
  const linked = page.url();
  await page.waitForFunction(() => document.querySelectorAll(".turns li")[4].hasAttribute("aria-current"), null, { timeout: 60000 });
  // By keys.
  await page.locator("h1").click();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("k");
  await page.keyboard.press("j");
  await page.keyboard.press(" ");
  check(await page.evaluate(() => document.querySelector("audio").paused), "space stops it");
  // A verdict by its key, and arrows are the player's all the same.
  const verdict = () => page.evaluate(() => document.querySelector("[name=verdict]:checked")?.value ?? "");
  for (const [key, value] of [["1", "good"], ["3", "unsure"], ["2", "bad"]]) {
    await page.keyboard.press(key);
    check((await verdict()) === value, `${key} gives the verdict ${value}: ${await verdict()}`);
  }
  const heardAt = () => page.evaluate(() => document.querySelector("audio").currentTime);
  const beforeArrow = await heardAt();
  await page.keyboard.press("ArrowLeft");
  check((await heardAt()) < beforeArrow, "an arrow goes back in the recording");
  await page.keyboard.press("ArrowRight");
  check((await verdict()) === "bad", "and leaves the verdict");
  await page.keyboard.press("4");
  check((await verdict()) === "", "4 takes back a verdict that is not saved");
  await page.keyboard.press("2");
  await page.reload();
  check((await verdict()) === "", "what is not saved is not kept");
  // The picture of docs/console.md, once the mark has its colour.
  await sleep(400);
  await page.screenshot({ path: `${pictures}/console.png` });
  // A link opens at its second for somebody else.
  const other = await person();
  await signIn(other.page, linked.split("#")[0], "reviewer");
  await other.page.goto(linked);
  check(await other.page.locator(".turns li").nth(3).getAttribute("aria-current") === "true", "a link opens at its second");
  check((await other.page.textContent("body")).match(/\d{8}/) === null, "a reviewer sees no number");
  await other.context.close();
  // A URL that has died is asked for anew, and the place is kept.
  const lost = await context.newPage();
  let refused = 0;
  // (What a redirect leads to can't be caught: the redirect itself fails once.)
  await lost.route(/\/recordings\/[a-z]+(\?|$)/, (route) => {
    refused += 1;
    return refused === 1 ? route.fulfill({ status: 403, body: "expired" }) : route.continue();
  });
  await lost.goto(linked);
  await lost.click("[data-do=play]");
  const linkedAt = Number(linked.split("#t=")[1]);
  await lost.waitForFunction((at) => document.querySelector("audio").currentTime > at + 0.2, linkedAt, { timeout: 60000 });
  check(refused > 1, "the recording was asked for again");
  await lost.close();
  // A verdict by keys, and on to the next.
  await page.reload();
  const before = page.url();
  await page.locator("h1").click();
  await page.keyboard.press("1");
  await page.keyboard.press("n");
  await page.keyboard.type("Asked for the price list");
  await page.keyboard.press("Escape");
  await page.keyboard.press("s");
  await page.waitForURL((at) => at.href.split("#")[0] !== before.split("#")[0]);
  check(/\/calls\/[a-z-]+\/./.test(page.url()), `the next call: ${page.url()}`);
  console.log("reviewed");
  const reviewed = await person();
  await signIn(reviewed.page, before.split("#")[0], "lead");
  check(await reviewed.page.isChecked("[name=verdict][value=good]"), "the verdict is kept");
  check((await reviewed.page.inputValue("textarea")) === "Asked for the price list", "the note is kept");
  await reviewed.context.close();
  // A number is revealed once, and it is recorded. Elsewhere and back it is masked, and the browser has a page to show.
  check((await page.textContent("h1")).includes("*"), "the number is masked");
  await page.click("text=Reveal number");
  const number = (await page.textContent("h1")).match(/\d{11,}/)?.[0];
  check(number, "the number is shown");
  check(!(await page.title()).includes(number), "and not in the title");
  await page.goBack();
  check((await page.textContent("h1")).includes("*"), "back to the page before it is masked");
  await page.goForward();
  check((await page.textContent("h1")).includes("*"), "and forward again, too");
  await page.goto(`${full}/tasks?day=${busy}`);
  await page.goBack();
  check(/\*/.test(await page.textContent("h1")), "back from elsewhere it is masked");
  await page.reload();
  check((await page.textContent("h1")).includes("*"), "and loaded anew");
  check((await page.textContent("body")).includes("Number"), "who revealed it is recorded");
  // A number is looked for; from one of its calls one comes back to what was found.
  await page.goto(`${full}/calls`);
  await page.fill("#number", number ?? "");
  await page.press("#number", "Enter");
  await page.waitForURL(/\/calls\/found$/);
  check((await page.textContent("h1")).startsWith("Calls to"), "the number's calls");
  await page.locator("table.calls tbody a").first().click();
  check(/\/calls\/[a-z-]+\/./.test(page.url()), "a call that was found");
  await page.goBack();
  check((await page.textContent("h1")).startsWith("Calls to"), "back to what was found");
  await page.reload();
  check((await page.locator("table.calls tbody tr").count()) > 0, "and loaded anew");
  check(asked.every((url) => !url.includes(number)), "no URL tells the number");
  console.log("revealed, found, and come back");
  // Downloads.
  await page.goto(`${full}/calls`);
  for (const [name, begins] of [["Excel", "PK"], ["CSV", "\ufeff"]]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(`.after >> text="${name}"`)]);
    const text = readFileSync(await download.path(), "utf8");
    check(text.startsWith(begins), `${name}: ${text.slice(0, 40)}`);
  }
  console.log("downloaded");
  // A day that is typed is asked for once it is sent, not with each digit; one that is chosen at once.
  await page.goto(`${full}/tasks`);
  const dayBox = page.locator("#day");
  await dayBox.focus();
  await page.keyboard.type("01062025");
  await sleep(500);
  check(!page.url().includes("day="), `while one types nothing is sent: ${page.url()}`);
  await page.keyboard.press("Enter");
  await page.waitForURL(/day=\d{4}-\d{2}-\d{2}/);
  // Which of the two is the month, the browser's own language says.
  check(["2025-06-01", "2025-01-06"].includes(await page.inputValue("#day")), `the day that was typed: ${page.url()}`);
  await page.locator("#day").dispatchEvent("pointerdown");
  await page.locator("#day").fill("2025-06-02");
  await page.waitForURL(/day=2025-06-02/);
  // A task is found by a part of its name; a number is looked for elsewhere, and stands in no address.
  await page.goto(`${full}/calls`);
  await page.fill("[name=task]", "test drive");
  await page.click("form.filters button.primary");
  await page.waitForURL(/task=/);
  check((await page.locator("table.calls tbody tr").count()) > 0 && !/test/.test(page.url()), `a task by its name: ${page.url()}`);
  await page.goto(`${full}/calls`);
  await page.fill("[name=task]", number);
  await page.click("form.filters button.primary");
  await page.waitForURL(/\/calls\/found$/);
  check((await page.locator("#number").count()) === 1, "a number is asked for where it is hidden");
  await page.goBack();
  check(!page.url().includes(number), "and is no address of the past");
  // As an input method has it.
  await page.fill("#number", number.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))));
  await page.press("#number", "Enter");
  await page.waitForURL(/\/calls\/found$/);
  check((await page.locator("table.calls tbody tr").count()) > 0, "a number in full width is found");
  await page.goto(`${full}/calls`);
  // The language and the zone are kept, where one is.
  await page.click("text=简体中文");
  check((await page.textContent("h1")) === "通话记录", "in Chinese");
  await page.selectOption("#zone", "Asia/Jakarta");
  await page.waitForFunction(() => document.querySelector("footer").textContent.includes("雅加达"));
  await page.goto(`${full}/calls`);
  check((await page.textContent("footer")).includes("雅加达"), "the zone is kept");
  await page.click("text=退出登录");
  await page.waitForLoadState();
  await page.goto(`${full}/calls`);
  check(!page.url().startsWith(`${full}/calls`), "nobody is signed in any more");
  const origins = new Set(asked.map((url) => new URL(url).origin));
  check([...origins].every((origin) => /^http:\/\/127\.0\.0\.1:/.test(origin) || origin === "null"), `other origins: ${[...origins]}`);
  console.log(`origins: ${[...origins].join(" ")}`);
  await context.close();
}

// --- Without the script.
{
  const { context, page } = await person({ javaScriptEnabled: false });
  await signIn(page, `${full}/calls`);
  await page.locator("table.calls tbody a").first().click();
  check(await page.locator("audio").first().isVisible().catch(() => false) || (await page.locator("audio").count()) === 0, "the browser's own player");
  await page.click("button[value=stay]");
  check((await page.textContent(".review")).includes("Heard by"), "a review without the script");
  await context.close();
}

// --- A form that is sent after its session has ended is not swallowed, and leads back.
{
  const { context, page } = await person();
  await signIn(page, `${full}/calls`);
  await page.goto(`${full}/calls?outcome=answered`);
  await page.locator("table.calls tbody a").first().click();
  await page.waitForURL(/\/calls\/[a-z-]+\/./);
  const call = page.url();
  await context.clearCookies();
  await page.click("button[value=stay]");
  await page.waitForLoadState();
  check(/not saved/.test(await page.textContent("h1")), "it is told that nothing was saved");
  await page.click(".notice a");
  await page.click("button[value=everything]");
  await page.waitForURL((at) => at.href.startsWith(full));
  check(page.url() === call, `back at the call: ${page.url()}`);
  await context.close();
}

// --- Sizes.
{
  const { context, page } = await person();
  const sizes = {};
  page.on("response", async (response) => {
    const length = (await response.request().sizes().catch(() => null))?.responseBodySize ?? 0;
    sizes[new URL(response.url()).pathname] = length;
  });
  const day = (from) => new Date(Date.now() + from * 86_400_000).toISOString().slice(0, 10);
  await signIn(page, `${full}/calls?day=${day(-2)}..${day(1)}`);
  check((await page.locator("table.calls tbody tr").count()) === 50, "a whole page of calls");
  await sleep(300);
  const list = sizes["/calls"];
  console.log(`first page of a list: ${list} bytes; ${JSON.stringify(sizes)}`);
  check(list > 0 && list <= 40 * 1024, `a list's page has ${list} bytes`);
  await context.close();
}

// --- The longest call: its page is there soon, and a turn at its end is found. (The server's own time is the benchmark's.)
{
  const { context, page } = await person();
  const turns = Array.from({ length: 20_000 }, (_, at) => ({
    text: `turn ${at} ` + "word ".repeat(at % 20), type: at % 2 ? "PERSON" : "ROBOT", startOffset: at * 3_000, endOffset: at * 3_000 + 2_500,
  }));
  const call = { callId: "longest", robotCallJobId: "long", resultStatus: "ANSWERED", chatDuration: 60_000, startTime: 1748743200, callDetailList: turns };
  const answer = await fetch(`${full}/push/ai-voice-call-record/local`, { method: "POST", body: JSON.stringify(call) });
  check(answer.status === 200, `the longest call is taken: ${answer.status}`);
  await signIn(page, `${full}/calls`);
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable");
  await page.goto(`${full}/calls/ai-voice/longest`);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const metrics = Object.fromEntries((await session.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  const took = ["ParseDuration", "ScriptDuration", "RecalcStyleDuration", "LayoutDuration", "TaskDuration"].map((name) => `${name} ${(metrics[name] ?? 0).toFixed(2)}`);
  console.log(`a call of 20,000 turns: ${took.join(", ")}`);
  check((await page.locator(".turns li").count()) === turns.length, "all turns are there");
  // How each turn looks would take most of the time, were it asked for of all.
  check(metrics.RecalcStyleDuration + metrics.LayoutDuration < metrics.TaskDuration / 2, "turns far from the screen are not looked at");
  await page.locator(".turns li").last().scrollIntoViewIfNeeded();
  check(await page.locator(".turns li").last().isVisible(), "the last turn can be seen");
  await context.close();
}

// --- Pushes that are rejected, for the page of operations.
for (const body of ["[{\"no\":\"call\"}]", "[7]", "not JSON"]) await fetch(`${full}/push/alicom-call-report/local`, { method: "POST", body });

// --- Hostile texts: nothing runs, nothing is refused by the policy (which would have been tried), nothing breaks the layout.
{
  const texts = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)", "</textarea></title><svg onload=alert(1)>",
    "\u202eevil\u2066", "nul\u0000", "w".repeat(100_000), "語".repeat(30_000),
  ];
  for (const [at, text] of texts.entries()) {
    const short = text.slice(0, 300);
    const call = {
      callId: `hostile-${at}${short}`, robotCallJobId: short, appId: short, calledPhoneNumber: short, resultStatus: "ANSWERED", chatDuration: 9,
      intentLevel: text, intentLevelDetailName: text, callRecordTagNames: [text], startTime: 1748743200 + at, hangupBy: text, [short]: text,
      fullAudioUrl: `https://evil.example/${encodeURIComponent(short)}`,
      callDetailList: [{ text, type: "PERSON", startOffset: 10, endOffset: 900, x: text }, { text, type: text }],
    };
    const answer = await fetch(`${full}/push/ai-voice-call-record/local`, { method: "POST", body: JSON.stringify(call) });
    check(answer.status === 200, `a hostile call is taken: ${answer.status}`);
  }
  for (const viewport of [{ width: 1280, height: 900 }, { width: 390, height: 844 }]) {
    const { context, page } = await person({ viewport });
    page.on("dialog", (dialog) => { check(false, `a dialog: ${dialog.message()}`); dialog.dismiss(); });
    await signIn(page, `${full}/calls?day=2025-06-01`);
    const links = await page.locator("table.calls a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    check(links.length >= texts.length, "hostile calls are listed");
    for (const path of new Set(["/calls?day=2025-06-01", "/?day=2025-06-01", "/tasks?day=2025-06-01", "/operations", ...links])) {
      await page.goto(full + path);
      await overflow(page, `hostile, ${viewport.width}: ${path.slice(0, 80)}`);
      if (viewport.width > 1000) await violations(page, `hostile: ${path.slice(0, 80)}`);
    }
    await context.close();
  }
  console.log("hostile texts are texts");
}

// --- Every page, in every look.
const looks = [
  { name: "en-light-desk", locale: "en-GB", colorScheme: "light", viewport: { width: 1280, height: 900 } },
  { name: "zh-dark-desk", locale: "zh-CN", colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  { name: "zh-light-phone", locale: "zh-CN", colorScheme: "light", viewport: { width: 390, height: 844 } },
  { name: "en-dark-phone", locale: "en-GB", colorScheme: "dark", viewport: { width: 390, height: 844 } },
];
for (const { name: look, ...options } of looks) {
  for (const [state, url] of [["full", full], ["empty", empty]]) {
    const { context, page } = await person(options);
    await page.goto(url);
    await signIn(page, url);
    const at = {
      today: "/", calls: "/calls", tasks: "/tasks", operations: "/operations", "not-found": "/nowhere",
      "no-call": "/calls/alicom/none", "bad-filter": "/calls?limit=x", next: "/calls/next?day=2020-01-01", "no-search": "/calls/found",
      "no-task": "/tasks/alicom/none", "other-day": "/?day=2025-01-01",
    };
    if (state === "full") {
      await page.goto(`${url}/calls?outcome=answered&day=${busy}`);
      const hrefs = await page.locator("table.calls tbody td:first-child a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
      const of = (provider) => hrefs.find((href) => href.includes(`/${provider}/`));
      Object.assign(at, { call: of("ai-voice"), "call-alicom": of("alicom"), "call-laaffic": of("laaffic") });
      await page.goto(`${url}/operations`);
      at["call-host"] = await page.locator(".state a", { hasText: "demo-113" }).first().getAttribute("href");
      at["call-expired"] = await page.locator(".state a", { hasText: "demo-44" }).first().getAttribute("href");
      await page.goto(`${url}/calls?outcome=no_answer&day=${busy}`);
      at["call-unanswered"] = await page.locator("table.calls tbody td:first-child a").first().getAttribute("href");
      await page.goto(`${url}/tasks?day=${busy}`);
      at.task = await page.locator("tbody th a").first().getAttribute("href");
      await page.goto(url + at["call-alicom"]);
      at.push = await page.locator("a[href*='/pushes/']").first().getAttribute("href");
    }
    for (const [name, path] of Object.entries(at)) {
      if (!path) continue;
      await page.goto(url + path);
      const of = `${look}-${state}-${name}`;
      await pictured(page, of);
      // One bar of a chart tells the scale: more would stand over each other.
      for (const chart of await page.locator(".chart svg").all()) check((await chart.locator(".value").count()) <= 1, `${of}: one figure a chart`);
      // On a phone's screen a list is whole.
      const cut = await page.locator(".wide").evaluateAll((lists) => lists.some((list) => list.scrollWidth > list.clientWidth + 1));
      if (look.includes("phone")) check(!cut, `${of}: a list is wider than the screen`);
    }
    // What comes behind a form: a number that is shown, its calls, and that there are none.
    if (state === "full") {
      await page.goto(url + at["call-alicom"]);
      await page.click(".reveal button");
      const number = (await page.textContent("h1")).match(/\d{11,}/)?.[0] ?? "";
      check(number, `${look}: a number is revealed`);
      await pictured(page, `${look}-full-revealed`);
      for (const [name, sought] of [["found", number], ["found-none", "13900000000"]]) {
        await page.goto(`${url}/calls`);
        await page.fill("#number", sought);
        await page.press("#number", "Enter");
        await page.waitForURL(/\/calls\/found$/);
        check((await page.locator("table.calls").count()) === (name === "found" ? 1 : 0), `${look}-${name}: the calls of a number`);
        await pictured(page, `${look}-full-${name}`);
      }
    }
    await context.close();
    // Whoever may see less.
    for (const [persona, name, path] of [["nobody", "nobody", "/"], ["reviewer", "forbidden", "/operations"], ["reader", "reader", at.call]]) {
      if (!path) continue;
      const other = await person(options);
      await other.page.goto(url);
      await signIn(other.page, url, persona);
      await other.page.goto(url + path);
      await pictured(other.page, `${look}-${state}-${name}`);
      await other.context.close();
    }
    const nobody = await person(options);
    await nobody.page.goto(`${url}/signed-out`);
    await violations(nobody.page, `${look}-${state}-signed-out`);
    await nobody.page.screenshot({ path: `${pictures}/${look}-${state}-signed-out.png`, fullPage: true });
    await nobody.context.close();
  }
}
await browser.close();
console.log(wrong.length ? `${wrong.length} things are wrong` : "the console is as it should be");
process.exit(wrong.length ? 1 : 0);

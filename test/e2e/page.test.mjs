// Drives the status page through the states of an agent's life. One agent goes through all of them, in order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { agent, close, examine, open, sandbox, user, visit } from "./world.mjs";

let stand, url, stop, page;

before(async () => {
  await open();
  stand = await sandbox();
  ({ url, stop } = await agent(stand));
  page = await visit(`${url}/`);
});
after(close);

const refused = { kind: "answer", status: 403, code: "AccessDeniedException", message: "not authorized" };
const section = (id) => page.locator(`#${id}`);
const shows = (id, text) => section(id).getByText(text).first().waitFor();
// becomes is shows for somebody who cannot wait for the page.
const becomes = async (id, text) => {
  while (!(await section(id).getByText(text).first().isVisible())) {
    await page.waitForTimeout(200);
    await page.reload();
  }
};
const well = async (state) => assert.deepEqual(await examine(page, state), []);

test("a fresh start: the root leads to the page, and nothing needs anybody", async () => {
  assert.equal(page.url(), `${url}/_node/federation`);
  await shows("sessions", "connected");
  await shows("attention", "Nothing needs anybody");
  await well("fresh");
  await page.evaluate(() => (globalThis.mark = "the same page")); // a reload would lose it
});

test("a running ingest is watched without a reload", { timeout: 60_000 }, async () => {
  await stand.faults({ operation: "GetExport", skip: 40, fault: { delay: 4e9 } }); // ns
  await stand.apim("POST", "ingest", {});
  await shows("ingests", /\d+ of 117 documents are ready/);
  const bar = page.getByRole("progressbar", { name: "Documents ready" });
  const before = Number(await bar.getAttribute("value"));
  await well("running");
  await stand.faults();
  for (;;) { // a test has a time limit
    const [now] = await bar.evaluateAll((all) => all.map((b) => b.value));
    if (now === undefined || now > before) return; // it may have ended meanwhile
    await page.waitForTimeout(100);
  }
});

test("everything is well after it", async () => {
  await shows("ingests", "succeeded");
  assert.equal(await page.evaluate(() => globalThis.mark), "the same page");
  await page.reload();
  await well("well");
});

test("an API is found by its name while somebody types, and the focus stays", async () => {
  const field = page.getByLabel("Name or id");
  await field.pressSequentially("orders prod", { delay: 5 });
  await shows("apis", /^Found: \d+ APIs of 117$/);
  for (const name of await section("apis").locator("tbody th").allTextContents()) assert.match(name, /Orders/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "q");
  assert.match(page.url(), /\?q=orders\+prod/);
  await field.fill("");
  await shows("apis", "APIs 1 to 25 of 117");
  await section("apis").getByRole("link", { name: "Next page" }).click();
  await shows("apis", "APIs 26 to 50 of 117");
});

test("the page is used by keyboard alone", async () => {
  await page.goto(`${url}/`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(new URL(page.url()).hash, "#main");
  await page.getByRole("button", { name: "Pause" }).focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Resume");
  await page.keyboard.press("Enter");
});

test("keys that need somebody are listed, and one is acknowledged", { timeout: 60_000 }, async () => {
  const [first, second] = (await stand.apim("GET", "apis")).filter((api) => api.plans.length > 0);
  const subscribe = (api, applicationName) =>
    stand.apim("POST", "subscriptions", { apiId: api.id, planId: api.plans[0].id, applicationName });
  await stand.faults({ operation: "CreateApiKey", fault: { kind: "lose-answer" } });
  await subscribe(first, "Shop");
  await stand.faults(
    { operation: "CreateUsagePlanKey", fault: refused }, // so that the key is to be deleted
    { operation: "DeleteApiKey", fault: refused },
  );
  await subscribe(second, "Mill");
  await becomes("attention", "Lost creates: 1");
  await becomes("attention", "Keys that AWS does not let go: 1");
  const row = section("keys").locator("tr", { hasText: "Shop" }).first();
  await row.getByText("Acknowledge").first().click();
  await section("keys").locator("tr", { hasText: "Mill" }).getByText("Acknowledge or delete").click();
  await well("keys");

  const reason = row.getByLabel("Reason");
  await reason.fill("deleted by hand, see ticket 7");
  const news = page.waitForResponse((r) => r.request().resourceType() === "fetch");
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange"))); // asks at once
  await news;
  await page.waitForTimeout(100);
  assert.equal(await reason.inputValue(), "deleted by hand, see ticket 7"); // news take nothing away
  await row.getByRole("button", { name: "Acknowledge" }).click();
  await page.waitForURL(/#keys$/);
  await section("attention").getByText("Lost creates").waitFor({ state: "detached" });
  await stand.faults();
});

test("what AWS and APIM refuse stands at the top, each with its reason", { timeout: 60_000 }, async () => {
  const estate = await stand.aws("GET", "estate");
  const [account] = estate.accounts;
  const region = account.regions.find((r) => r.name === "eu-west-1");
  for (const api of region.restApis.slice(0, 3)) {
    await stand.aws("POST", "redeploy", {
      account: account.id, region: region.name, restApi: api.id, stage: api.stages[0].name,
    });
  }
  await stand.faults(
    { operation: "GetExport", account: account.id, region: region.name, fault: refused },
    { operation: "GetRestApis", account: estate.accounts[1].id, region: "us-east-1", fault: refused },
  );
  await stand.apim("POST", "preview", {}); // an ingest would use the young listing again
  await stand.apim("POST", "ingest", {});
  await becomes("attention", `AWS cannot be used in ${estate.accounts[1].id}:us-east-1`);
  await becomes("ingests", /access denied \d+/);
  await stand.apim("POST", "refuse-upgrades", { count: 1000, status: 503 });
  await stand.apim("POST", "good-bye", { reconnect: true });
  await becomes("attention", "No session to APIM");
  await becomes("sessions", "503");
  await becomes("sessions", "next try");
  await well("faults");
  await stand.apim("POST", "refuse-upgrades", { count: 0, status: 503 });
});

test("without scripts it says the same", async () => {
  const plain = await visit(`${url}/`, { javaScriptEnabled: false });
  await plain.locator("#sessions").getByText("Since").waitFor();
  await plain.getByRole("link", { name: "reload" }).waitFor();
  await plain.getByLabel("Name or id").fill("orders");
  await plain.getByRole("button", { name: "Search" }).click();
  await plain.locator("#apis").getByText(/^Found: \d+ APIs of 117$/).waitFor();
  assert.equal(await plain.locator("#pause").isVisible(), false);
  await plain.context().close();
});

test("nobody is let in without the password", async () => {
  const answer = await fetch(`${url}/_node/federation`);
  assert.equal(answer.status, 401);
});

test("when the agent has gone, the page says so and keeps what was known", async () => {
  assert.deepEqual(page.faults, []);
  await stop();
  await page.locator("#stamp").getByText("the agent is not reached").waitFor();
  await shows("about", "Version");
});

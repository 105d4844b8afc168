// Drives the status page through the states of an agent's life. One agent goes through all of them, in order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { agent, close, examine, open, sandbox, user, visit } from "./world.mjs";

let stand, url, page;

before(async () => {
  await open();
  stand = await sandbox();
  url = await agent(stand);
  page = await visit(`${url}/`);
});
after(close);

const section = (id) => page.locator(`#${id}`);
const shows = (id, text) => section(id).getByText(text).first().waitFor();
const well = async (state) => assert.deepEqual(await examine(page, state), []);

test("a fresh start: the root leads to the page, and nothing needs anybody", async () => {
  assert.equal(page.url(), `${url}/_node/federation`);
  await shows("sessions", "connected");
  await shows("attention", "Nothing needs anybody");
  await well("fresh");
  await page.evaluate(() => (globalThis.mark = "the same page")); // a reload would lose it
});

test("a running ingest is watched without a reload", async () => {
  await stand.faults({ operation: "GetExport", skip: 40, fault: { delay: 4e9 } }); // ns
  await stand.apim("POST", "ingest", {});
  await shows("ingests", /of 117/);
  await page.locator("#ingests progress").waitFor();
  await well("running");
  await stand.faults();
});

test("everything is well after it", async () => {
  await shows("ingests", /117 .*sent/);
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

test("without scripts it says the same", async () => {
  const plain = await visit(`${url}/`, { javaScriptEnabled: false });
  await plain.locator("#sessions").getByText("connected").waitFor();
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

// Drives the page of the stand-in for APIM, as somebody does who tries the agent.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { agent, close, examine, open, sandbox, visit } from "./world.mjs";

let page;

before(async () => {
  await open();
  const stand = await sandbox();
  await agent(stand);
  page = await visit(stand.page);
});
after(close);

test("an ingest is watched to its end", async () => {
  await page.locator("#agent0").getByText("Connected").waitFor();
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("The agent found 117 APIs.").waitFor();
  await page.getByRole("button", { name: "Ingest all" }).click();
  await page.locator("#ingests0").getByText("SUCCESS").waitFor();
  await page.locator("#ingests0").getByText("117 of 117").waitFor();
});

test("a key opens its API until its subscription ends", async () => {
  await page.reload();
  await page.locator("#apis0 > summary").click();
  await page.getByLabel("Name contains").fill("orders");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("textbox", { name: "application for" }).first().fill("Shop");
  await page.keyboard.press("Enter");
  await page.getByText(/ACCEPTED\./).waitFor();
  await page.getByRole("button", { name: "with this key" }).click();
  await page.getByText("was answered 200").waitFor();
  assert.deepEqual(await examine(page, "sandbox", []), []);
  await page.getByRole("button", { name: "Unsubscribe" }).click();
  await page.getByText(/CLOSED\./).waitFor();
  await page.getByRole("button", { name: "with this key" }).click();
  await page.getByText("was answered 403").waitFor();
});

// The agent's program, its stand-ins and a browser, started as a user would start them.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const root = new URL("../..", import.meta.url).pathname;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Where the pictures go; empty: none are taken.
const pictures = process.env.E2E_PICTURES ?? "";
const patience = 20_000; // ms that a program may take for anything, on a busy machine

// The user of the node API. The password is searched for in each page.
export const user = { username: "admin", password: "a-password-that-must-never-be-shown" };

const directory = mkdtempSync(join(tmpdir(), "federation-agent-e2e-"));
const program = join(directory, "federation-agent");
const programs = [];
let browser;

export async function open() {
  execFileSync("go", ["build", "-o", program, "./cmd/federation-agent"], { cwd: root, stdio: "inherit" });
  const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);
  if (!executablePath) throw new Error("there is no browser; run: apt-get install -y chromium");
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

export async function close() {
  await browser?.close();
  for (const p of programs) {
    p.kill("SIGTERM");
    await p.ended;
  }
  rmSync(directory, { recursive: true });
}

// start starts the program and waits until it has printed what fits a pattern, which it gives.
async function start(args, env, pattern) {
  const p = spawn(program, args, { env: { PATH: process.env.PATH, HOME: directory, ...env } });
  programs.push(p);
  p.ended = new Promise((resolve) => p.once("exit", resolve));
  let text = "";
  const found = await new Promise((resolve, reject) => {
    const give = (why) => reject(new Error(`${args[0]} ${why}\n${text}`));
    const late = setTimeout(() => give(`has not printed ${pattern}`), patience);
    const read = (chunk) => {
      text += chunk;
      const match = pattern.exec(text);
      if (match) {
        clearTimeout(late);
        resolve(match);
      }
    };
    p.stdout.on("data", read);
    p.stderr.on("data", read);
    p.ended.then((code) => give(`ended with ${code}`));
  });
  const stop = () => {
    p.kill("SIGTERM");
    return p.ended;
  };
  return { text: () => text, found, stop };
}

// sandbox starts both stand-ins; what it gives drives them.
export async function sandbox() {
  const args = ["sandbox", "--apim", "127.0.0.1:0", "--aws", "127.0.0.1:0", "--latency=false", "--quota-scale", "20"];
  const { text } = await start(args, {}, /unset AWS_ENDPOINT_URL/);
  const settings = Object.fromEntries([...text().matchAll(/^(?:# )?export (\w+)='(.*)'$/gm)].map((m) => m.slice(1)));
  const apim = /APIM: (\S+)\//.exec(text())[1];
  const call = async (method, url, body) => {
    const answer = await fetch(url, { method, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  return {
    page: `${apim}/`, settings,
    apim: (method, path, body) => call(method, `${apim}/_sandbox/apim/${path}`, body),
    aws: (method, path, body) => call(method, `${settings.AWS_ENDPOINT_URL}/_sandbox/aws/${path}`, body),
    faults(...rules) { return this.aws("PUT", "faults", rules); },
  };
}

// agent starts the agent on the stand-ins, with a user. url is the address of its node API.
export async function agent(stand, more = {}) {
  const journal = join(directory, "journal");
  mkdirSync(journal, { recursive: true });
  const { found, stop } = await start(["run"], {
    ...stand.settings,
    gravitee_agent_store_path: journal,
    gravitee_services_core_http_enabled: "true",
    gravitee_services_core_http_port: "0",
    gravitee_services_core_http_authentication_type: "basic",
    [`gravitee_services_core_http_authentication_users_${user.username}`]: user.password,
    ...more,
  }, /the node API is served.*address=(\S+)/);
  return { url: `http://${found[1]}`, stop };
}

// visit opens a page as a person would. Faults of the page's own script, and what its policy refuses, fail the test.
export async function visit(url, options = {}) {
  const context = await browser.newContext({ httpCredentials: user, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.faults = [];
  page.on("pageerror", (fault) => page.faults.push(String(fault)));
  page.on("console", (m) => m.type() === "error" && page.faults.push(m.text()));
  await page.goto(url);
  return page;
}

// looks are what people look with.
const looks = [
  { name: "light", colorScheme: "light", width: 1280, height: 900 },
  { name: "dark", colorScheme: "dark", width: 1280, height: 900 },
  { name: "light-390", colorScheme: "light", width: 390, height: 844 },
  { name: "dark-390", colorScheme: "dark", width: 390, height: 844 },
];

// examine looks at a page as it is now in each way: with axe, for what does not fit the width, for secrets. It gives
// what is wrong, and takes the pictures.
export async function examine(page, state, secrets = [user.password, "sandbox-token", "sandbox-secret"]) {
  const wrong = [];
  for (const { name, colorScheme, ...viewport } of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize(viewport);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    for (const v of violations) {
      wrong.push(`${state}, ${name}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html + " " + n.any.map((a) => a.message)).join("\n")}`);
    }
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    if (wide > room) wrong.push(`${state}, ${name}: the page is ${wide} wide, on a screen of ${room}`);
    if (pictures) {
      mkdirSync(pictures, { recursive: true });
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: join(pictures, `${state}-${name}.png`), fullPage: true });
    }
  }
  const text = await page.content();
  for (const secret of secrets) {
    if (text.includes(secret)) wrong.push(`${state}: the page shows ${secret}`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  return [...wrong, ...page.faults];
}

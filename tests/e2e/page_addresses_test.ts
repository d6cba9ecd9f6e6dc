/**
 * Where the page of `web` is served, with real requests by curl:
 *
 *   host  192.0.2.1 ---------- 192.0.2.2  viewer
 */
import { equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { environment, program } from "../../scripts/lab/programs.ts";
import { type Child, connect, Namespace } from "../netns/namespace.ts";
import { TestAuthority } from "../support/test_certificates.ts";
import { topic } from "./scenario.ts";
import { type Ending, ending } from "./small_lab.ts";

const START_MS = 30_000;
const AGAIN_MS = 20_000;
const TLS_ADDRESS = "192.0.2.1:8443";
const TLS_PAGE = "https://page.example:8443";

topic("e2e page addresses", async (scenario) => {
  await using host = await Namespace.create("page");
  await using viewer = await Namespace.create("viewer");
  await connect(host, viewer, {
    a: { name: "out", addresses: ["192.0.2.1/24"] },
    b: { name: "out", addresses: ["192.0.2.2/24"] },
  });
  await using authority = await TestAuthority.create();
  const { directory } = authority;
  await Deno.chmod(directory, 0o711); // the user of the page gets through to its history
  const place = environment({ directory }, "client");
  const spawnWeb = (...words: string[]) =>
    host.spawn([...program("client"), "web", ...words], place);
  const endOf = (...words: string[]): Promise<Ending> => ending(spawnWeb(...words));
  const serve = async (...words: string[]): Promise<Child> => {
    const web = spawnWeb(...words);
    await web.waitForLine(/the page is at /, START_MS);
    return web;
  };
  /** The status of the answer, and its text. */
  const curl = async (from: Namespace, ...words: string[]): Promise<string> => {
    const form = ["-s", "-m", "5", "-w", "\n%{http_code}\n%{exitcode}", "--no-progress-meter"];
    const { stdout } = await from.run("sh", "-c", 'curl "$@" || true', "sh", ...form, ...words);
    return stdout.trimEnd();
  };
  const server = await authority.issue("page", {
    extensions: [
      "extendedKeyUsage=serverAuth",
      "subjectAltName=DNS:*.page.example,DNS:page.example,IP:192.0.2.1",
    ],
  });
  const other = await authority.issueServer("other");

  await scenario(
    "another machine is served with a certificate alone, that its key fits",
    async () => {
      const none = await endOf(TLS_ADDRESS);
      equal(none.exitCode, 2, none.text);
      match(
        none.text,
        /may leave this machine only with a certificate: give -web-cert and -web-key/,
      );
      const files = ["-web-cert", server.certFile, "-web-key"];
      const misfit = await endOf(TLS_ADDRESS, ...files, other.keyFile);
      equal(misfit.exitCode, 1, misfit.text);
      match(misfit.text, /-web-key: it is not the key of the certificate in -web-cert/);
      const swapped = await endOf(TLS_ADDRESS, ...files, server.certFile);
      match(swapped.text, /each must be a file in PEM without password/);
      const missing = await endOf(TLS_ADDRESS, ...files, join(directory, "none.key"));
      match(missing.text, /Cannot read the file of -web-key: .*none\.key/);
      for (const { text } of [misfit, swapped, missing]) ok(!text.includes("PRIVATE"), text);
      const half = await endOf(TLS_ADDRESS, "-web-cert", server.certFile);
      match(half.text, /-web-cert and -web-key belong together/);
    },
  );

  await scenario("over TLS another machine sees the page, and logs in", async () => {
    const files = ["-web-cert", server.certFile, "-web-key", server.keyFile];
    const web = await serve(TLS_ADDRESS, ...files);
    match(web.output("stdout"), /^the page is at https:\/\/page\.example:8443$/m);
    const { stdout } = await host.runWith(place, ...program("client"), "web");
    const [base, token] = stdout.trim().split("/#");
    equal(base, TLS_PAGE);
    const trusting = ["--cacert", authority.certFile, "--resolve", "page.example:8443:192.0.2.1"];
    match(await curl(viewer, ...trusting, `${TLS_PAGE}/`), /^<!doctype html>[^]*\n200\n0$/);
    const byAddress = `https://${TLS_ADDRESS}/`;
    match(await curl(viewer, "--cacert", authority.certFile, byAddress), /\n200\n0$/);
    const login = [
      ...["-i", "-H", "content-type: application/json", "-d", JSON.stringify({ token })],
      `${TLS_PAGE}/api/login`,
    ];
    const logIn = await curl(viewer, ...trusting, "-H", `Origin: ${TLS_PAGE}`, ...login);
    match(logIn, /set-cookie: fluxify-client-8443=.*; HttpOnly; SameSite=Strict; .*; Secure/i);
    const cookie = /set-cookie: ([^;]+)/i.exec(logIn)![1]!;
    const about = await curl(viewer, ...trusting, "-b", cookie, `${TLS_PAGE}/api/about`);
    match(about, /"program":"fluxify-client".*\n200\n0$/s);
    const plainOrigin = `Origin: ${TLS_PAGE.replace("https", "http")}`;
    match(await curl(viewer, ...trusting, "-H", plainOrigin, ...login), /\n403\n0$/);
    match(
      await curl(viewer, ...trusting, "-H", "Host: evil.example:8443", `${TLS_PAGE}/`),
      /\n403\n0$/,
    );
    const untrusting = trusting.slice(2);
    match(await curl(viewer, ...untrusting, `${TLS_PAGE}/`), /\n000\n60$/); // CURLE_PEER_FAILED_...
    ok(!/doctype/.test(await curl(viewer, `http://${TLS_ADDRESS}/`)));
    equal(await web.stop("SIGTERM"), 0);
  });

  const path = join(directory, "page.sock");
  const overSocket = (...words: string[]) =>
    curl(host, "--unix-socket", path, ...words, "http://localhost/");

  await scenario("a unix socket takes the place of a dead one", async () => {
    // Closing would remove it under the name it was made by.
    const dead = Deno.listen({ transport: "unix", path: `${path}.made` });
    await Deno.rename(`${path}.made`, path);
    dead.close();
    ok((await Deno.lstat(path)).isSocket, "the dead socket is there");
    const web = await serve(`unix:${path}`);
    match(await overSocket(), /^<!doctype html>[^]*\n200\n0$/);
    match(await overSocket("-H", "Host: evil.example"), /\n403\n0$/);
    equal((await Deno.lstat(path)).mode! & 0o777, 0o666);

    const second = await endOf(`unix:${path}`, "-name", "second");
    equal(second.exitCode, 1, second.text);
    match(second.text, /another program serves at \S+page\.sock: end it, or choose another name/);
    match(await overSocket(), /\n200\n0$/);

    const { stdout } = await host.run("pgrep", "-P", String(web.pid), "-f", "page-process");
    Deno.kill(Number(stdout.trim()), "SIGKILL");
    await web.waitForLine(/the page has ended: SIGKILL; it is started again/, START_MS);
    const untilMs = performance.now() + AGAIN_MS;
    while (!/\n200\n0$/.test(await overSocket())) ok(performance.now() < untilMs, "not again");
    equal(await web.stop("SIGTERM"), 0);
    await rejects(Deno.lstat(path), Deno.errors.NotFound);
  });

  await scenario("a file that is no socket stays as it is", async () => {
    const file = join(directory, "notes.txt");
    await Deno.writeTextFile(file, "mine");
    const { exitCode, text } = await endOf(`unix:${file}`);
    equal(exitCode, 1, text);
    match(text, /notes\.txt is there and no socket: choose another name/);
    equal(await Deno.readTextFile(file), "mine");
  });
});

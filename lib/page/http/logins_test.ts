import { equal, notEqual } from "node:assert/strict";
import { AGE_MS, IDLE_MS, Logins, SESSIONS_MAX, TRIES_OF_ALL, TRIES_OF_ONE } from "./logins.ts";

function logins(): Logins {
  let number = 0;
  return new Logins("right", () => `id-${++number}`);
}

function idOf(result: ReturnType<Logins["logIn"]>): string {
  return result.kind === "session" ? result.id : "";
}

Deno.test("the token buys a session, and nothing else does", () => {
  const own = logins();
  for (const wrong of ["", "righ", "right ", "Right"]) {
    equal(own.logIn(wrong, "a", 0).kind, "wrong");
  }
  const id = idOf(own.logIn("right", "a", 0));
  equal(own.isLoggedIn(id, 1), true);
  equal(own.isLoggedIn("", 1), false);
  equal(own.isLoggedIn("right", 1), false);
  own.logOut(id);
  equal(own.isLoggedIn(id, 2), false);
});

Deno.test("wrong tries of one address are limited, and so are those of all", () => {
  const own = logins();
  for (let tries = 0; tries < TRIES_OF_ONE; tries++) equal(own.logIn("x", "a", 0).kind, "wrong");
  equal(own.logIn("x", "a", 0).kind, "too many");
  equal(own.logIn("x", "b", 0).kind, "wrong");
  equal(own.logIn("x", "a", 60_000).kind, "wrong");
  const crowd = logins();
  for (let tries = 0; tries < TRIES_OF_ALL; tries++) {
    equal(crowd.logIn("x", `address-${tries}`, 0).kind, "wrong");
  }
  equal(crowd.logIn("x", "another", 0).kind, "too many");
});

Deno.test("nobody's wrong tries keep the right token out, from the same address or another", () => {
  const own = logins();
  for (let tries = 0; tries < 10 * TRIES_OF_ALL; tries++) own.logIn("x", "127.0.0.1", 0);
  for (let tries = 0; tries < 10 * TRIES_OF_ALL; tries++) own.logIn("x", `address-${tries}`, 0);
  equal(own.logIn("x", "127.0.0.1", 0).kind, "too many");
  equal(own.logIn("right", "127.0.0.1", 0).kind, "session");
  equal(own.logIn("right", "another", 0).kind, "session");
});

Deno.test("a session ends when it is not used, and when it is old", () => {
  const own = logins();
  const idle = idOf(own.logIn("right", "a", 0));
  equal(own.isLoggedIn(idle, IDLE_MS), true);
  equal(own.isLoggedIn(idle, 2 * IDLE_MS + 1), false);
  const used = idOf(own.logIn("right", "a", 0));
  for (let at = 0; at <= AGE_MS; at += IDLE_MS / 2) equal(own.isLoggedIn(used, at), true);
  equal(own.isLoggedIn(used, AGE_MS + 1), false);
});

Deno.test("the session used longest ago makes room for a new one", () => {
  const own = logins();
  const minutes = (count: number) => count * 60_000;
  const first = idOf(own.logIn("right", "a", 0));
  const second = idOf(own.logIn("right", "a", minutes(1)));
  for (let number = 0; number < SESSIONS_MAX - 2; number++) {
    notEqual(idOf(own.logIn("right", "a", minutes(2 + number))), "");
  }
  equal(own.isLoggedIn(first, minutes(100)), true);
  own.logIn("right", "a", minutes(101));
  equal(own.isLoggedIn(first, minutes(102)), true);
  equal(own.isLoggedIn(second, minutes(102)), false);
});

import { deepEqual, equal } from "node:assert/strict";
import { FILE_MS, OneTimeFiles } from "./one_time_files.ts";

function files(): OneTimeFiles {
  let number = 0;
  return new OneTimeFiles(() => `id-${++number}`);
}

Deno.test("a file is there once, and for ten minutes", () => {
  const own = files();
  const file = { name: "a.bundle", text: "secret" };
  const id = own.put(file, 0);
  equal(own.take("another", 0), null);
  const { name, text } = own.take(id, FILE_MS - 1)!;
  deepEqual({ name, text }, file);
  equal(own.take(id, FILE_MS - 1), null);
  equal(own.take(own.put(file, 0), FILE_MS), null);
});

Deno.test("the oldest of many makes room", () => {
  const own = files();
  const ids = Array.from(
    { length: 17 },
    (_, number) => own.put({ name: `${number}`, text: "" }, 0),
  );
  equal(own.take(ids[0]!, 1), null);
  equal(own.take(ids[1]!, 1)?.name, "1");
});

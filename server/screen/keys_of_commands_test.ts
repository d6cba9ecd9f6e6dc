import { equal } from "node:assert/strict";
import { inKeysOfScreen } from "./keys_of_commands.ts";

Deno.test("inKeysOfScreen() names the key of each command that has one", () => {
  equal(
    inKeysOfScreen('it exists; "fluxify-server cert revoke laptop" first'),
    "it exists; r first",
  );
  equal(
    inKeysOfScreen('"fluxify-server cert new NAME -pki /etc/pki" makes each client\'s new one'),
    "n makes each client's new one",
  );
  const other = '"fluxify-server cert list" shows the clients there are';
  equal(inKeysOfScreen(other), other);
});

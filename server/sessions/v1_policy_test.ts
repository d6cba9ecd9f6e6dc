import { equal, match } from "node:assert/strict";
import { V1Policy } from "./v1_policy.ts";

const NEW = { commonName: "new", features: ["x1"] };
const OLD = { commonName: "old", features: ["gzip"] };

Deno.test("V1Policy refuses clients of v1 unless they are accepted, and says what to do", () => {
  const strict = new V1Policy(false);
  equal(strict.refusal(NEW), null);
  const refusal = strict.refusal(OLD);
  equal(refusal?.code, "v1_refused");
  match(refusal.message, /speaks v1 only.*bring it up to date, or .* -accept-v1$/);
  equal(new V1Policy(true).refusal(OLD), null);
});

Deno.test("V1Policy tells once of each client that speaks v1", () => {
  const policy = new V1Policy(true);
  equal(policy.isNews(NEW), false);
  equal(policy.isNews(OLD), true);
  equal(policy.isNews(OLD), false);
  equal(policy.isNews({ ...OLD, commonName: "older" }), true);
  for (let name = 0; name < 600; name++) policy.isNews({ ...OLD, commonName: `client ${name}` });
  equal(policy.isNews(OLD), true, "forgotten for newer ones");
});

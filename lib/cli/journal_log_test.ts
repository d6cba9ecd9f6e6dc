import { deepEqual, equal } from "node:assert/strict";
import type { LogRecord } from "@logtape/logtape";
import { encodeRecord, openJournal } from "./journal_log.ts";

function record(
  properties: Record<string, unknown>,
  level: LogRecord["level"] = "info",
): LogRecord {
  const category = ["fluxify", "client"];
  return { category, level, message: ["m"], rawMessage: "m", timestamp: 0, properties };
}

/** Reads the format back, as the journal does. */
function fieldsOf(bytes: Uint8Array): Record<string, string> {
  const fields: Record<string, string> = {};
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    const line = decoder.decode(bytes.subarray(at, end));
    const equals = line.indexOf("=");
    if (equals >= 0) {
      fields[line.slice(0, equals)] = line.slice(equals + 1);
      at = end + 1;
      continue;
    }
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset + end + 1, 8)
      .getBigUint64(0, true));
    fields[line] = decoder.decode(bytes.subarray(end + 9, end + 9 + length));
    equal(bytes[end + 9 + length], 10);
    at = end + 10 + length;
  }
  return fields;
}

Deno.test("each value of a record is a field, and those within it have its name before theirs", () => {
  const values = { session: "laptop", rttMs: 20.5, loss: null, "": "x" };
  const bytes = encodeRecord("fluxify-client", record({ link: "wan1", values }, "warning"), "slow");
  deepEqual(fieldsOf(bytes), {
    ...{ MESSAGE: "slow", PRIORITY: "4", SYSLOG_IDENTIFIER: "fluxify-client" },
    ...{ FLUXIFY_LOGGER: "fluxify.client", FLUXIFY_LINK: "wan1" },
    ...{ FLUXIFY_VALUES_SESSION: "laptop", FLUXIFY_VALUES_RTT_MS: "20.5", FLUXIFY_VALUES_: "x" },
  });
});

Deno.test("a value cannot make a field, and a record cannot take the place of its message", () => {
  const properties = {
    ...{ text: "a\nPRIORITY=0\n", error: new Error("no\nroute"), list: [1, 2], LOGGER: "other" },
    ...{ ["x".repeat(80)]: "too long a name" },
  };
  const fields = fieldsOf(encodeRecord("p", record(properties), "one\ntwo"));
  deepEqual(fields, {
    ...{ MESSAGE: "one\ntwo", PRIORITY: "6", SYSLOG_IDENTIFIER: "p" },
    ...{ FLUXIFY_LOGGER: "fluxify.client", FLUXIFY_TEXT: "a\nPRIORITY=0\n" },
    ...{ FLUXIFY_ERROR: "no\nroute", FLUXIFY_LIST: "1, 2" },
  });
});

Deno.test("where stderr is not the journal's, nothing goes there", () => {
  const before = Deno.env.get("JOURNAL_STREAM");
  Deno.env.set("JOURNAL_STREAM", "8:1");
  equal(openJournal("p", () => ""), null);
  if (before === undefined) Deno.env.delete("JOURNAL_STREAM");
  else Deno.env.set("JOURNAL_STREAM", before);
});

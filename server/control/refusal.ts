import type {
  ControlMessageError,
  ControlRefusal,
} from "../../lib/protocol/wire/control_message.ts";

/** The codes of this folder; `grant` may refuse with others. Clients retry on none but the last two. */
type RefusalCode =
  | "bad_certificate"
  | "revoked"
  | "malformed"
  | "too_large"
  | "name_mismatch"
  | "draining"
  | "unavailable";

export function badCertificate(problem: string): ControlRefusal {
  return refusal("bad_certificate", `${problem}; ask the operator of the server for a new bundle`);
}

export function revoked(commonName: string): ControlRefusal {
  return refusal(
    "revoked",
    `the certificate of '${commonName}' has been revoked; ask the operator of the server for a ` +
      "new bundle",
  );
}

export function unusableRequest(error: ControlMessageError): ControlRefusal {
  return refusal(error.reason === "too large" ? "too_large" : "malformed", error.message);
}

/** A client that does not trust the server finds out when the handshake is over, and leaves. */
export function nothingAsked(): ControlRefusal {
  return refusal(
    "malformed",
    "the client left without asking for a session; it may not trust the certificate of this " +
      "server: its own log says why",
  );
}

export function nameMismatch(commonName: string): ControlRefusal {
  return refusal(
    "name_mismatch",
    `client_name is not the name in the certificate; leave it empty or send '${commonName}'`,
  );
}

/** Who knows another server goes there at once. */
export function draining(): ControlRefusal {
  return refusal(
    "draining",
    "this server is about to stop and takes no client: use another one, or try again later",
  );
}

export function unavailable(): ControlRefusal {
  return refusal(
    "unavailable",
    "the server could not make a session; try again later, and ask its operator to read its log " +
      "if this goes on",
  );
}

function refusal(code: RefusalCode, message: string): ControlRefusal {
  return { kind: "refusal", code, message };
}

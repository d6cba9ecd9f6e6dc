/**
 * A DNS server that knows one name, whose address it reads from a file with each question, and that
 * says whom it was asked by. Of a file with several lines each question gets the next:
 *
 *     name_server_program.ts ADDRESS NAME FILE
 */
import { Buffer } from "node:buffer";
import { decode, encode } from "dns-packet";

if (import.meta.main) {
  const [hostname = "", name = "", file = ""] = Deno.args;
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 53 });
  console.log("ready");
  let told = 0;
  for (;;) {
    const [bytes, from] = await socket.receive();
    const { id, questions } = decode(Buffer.from(bytes));
    const [asked] = questions;
    const isKnown = asked.name === name && asked.type === "A";
    const lines = (await Deno.readTextFile(file)).trim().split("\n");
    const data = lines[(isKnown ? told++ : told) % lines.length];
    console.log(`asked ${asked.type} ${asked.name} by ${(from as Deno.NetAddr).hostname}`);
    const answers = isKnown ? [{ type: "A", name, ttl: 1, data }] : [];
    await socket.send(encode({ type: "response", id, questions, answers }), from);
  }
}

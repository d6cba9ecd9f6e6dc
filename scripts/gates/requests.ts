/**
 * Short requests by UDP, as those to a name server, and how long their answers take. Two programs:
 *
 *     requests.ts serve PORT                 answers 40 bytes with 120, until it is ended
 *     requests.ts ask HOST PORT SECONDS      ten a second; prints one line of JSON
 */
const EVERY_MS = 100;
const PATIENCE_MS = 2000;
const REQUEST_BYTES = 40;
const ANSWER_BYTES = 120;

export interface Requests {
  readonly sent: number;
  readonly lost: number;
  readonly medianMs: number;
  readonly worst95Ms: number;
}

async function serve(port: number): Promise<never> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
  console.log("listening");
  const answer = new Uint8Array(ANSWER_BYTES);
  for (;;) {
    const [request, from] = await socket.receive();
    answer.set(request.subarray(0, 4));
    await socket.send(answer, from);
  }
}

async function ask(hostname: string, port: number, seconds: number): Promise<Requests> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const sentAt: number[] = [];
  const times: number[] = [];
  const receive = async () => {
    for (;;) {
      const [answer] = await socket.receive();
      const number = new DataView(answer.buffer).getUint32(0);
      times.push(performance.now() - sentAt[number]!);
    }
  };
  receive().catch(() => {}); // ends with the socket
  const count = seconds * 1000 / EVERY_MS;
  for (let number = 0; number < count; number++) {
    const request = new Uint8Array(REQUEST_BYTES);
    new DataView(request.buffer).setUint32(0, number);
    sentAt.push(performance.now());
    await socket.send(request, { transport: "udp", hostname, port });
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  const deadline = performance.now() + PATIENCE_MS;
  while (times.length < count && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  times.sort((one, other) => one - other);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? NaN;
  return { sent: count, lost: count - times.length, medianMs: at(0.5), worst95Ms: at(0.95) };
}

if (import.meta.main) {
  const [command, ...rest] = Deno.args;
  if (command === "serve") await serve(Number(rest[0]));
  console.log(JSON.stringify(await ask(rest[0]!, Number(rest[1]), Number(rest[2]))));
  Deno.exit(0);
}

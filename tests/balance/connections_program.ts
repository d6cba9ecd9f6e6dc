/** `ADDRESS COUNT`: HTTP connections one after the other; prints how many came from which address. */
const [hostname = "", count = "0"] = Deno.args;
const REQUEST = new TextEncoder().encode("GET / HTTP/1.0\r\nHost: server\r\n\r\n");
const seen: Record<string, number> = {};
for (let number = 0; number < Number(count); number++) {
  const connection = await Deno.connect({ hostname, port: 80 });
  await connection.write(REQUEST);
  const answer = await new Response(connection.readable).text();
  const address = answer.split("\r\n\r\n")[1]?.trim() ?? "";
  seen[address] = (seen[address] ?? 0) + 1;
}
console.log(JSON.stringify(seen));

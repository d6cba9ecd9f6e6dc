/** The test's HTTP proxy as a program: `proxy_program.ts HOST PORT`. Runs until it is killed. */
import { ConnectProxy } from "../../testing/connect_proxy.ts";

const [host, port] = Deno.args;
await ConnectProxy.start({ host, port: Number(port) });
console.error("the proxy is ready");

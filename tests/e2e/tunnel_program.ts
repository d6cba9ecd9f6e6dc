/**
 * The TUN device of another VPN, for as long as the program runs:
 *
 *     tunnel_program.ts NAME
 */
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { openTun } from "../../lib/ffi/linux/tun.ts";

if (import.meta.main) {
  openTun(Libc.open(), Deno.args[0]!, false);
  console.log("open");
  setInterval(() => {}, 60_000);
}

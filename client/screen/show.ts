/** The modes of the client, each beside its screen. */
import { balance } from "../balance/balance.ts";
import { bond } from "../bonding/bonding_mode.ts";
import { TUN_NAME } from "../config/bond_options.ts";
import type { BalanceOptions } from "../config/balance_options.ts";
import type { BondOptions } from "../config/options.ts";
import { balanceModels } from "./balance_view.ts";
import { balanceKeys, bondKeys } from "./status_keys.ts";
import { bondModels } from "./bond_view.ts";
import { withLiveScreen } from "./live_screen.ts";

/** As bond(). @throws UsageError when there is no terminal. */
export async function showBonding(options: BondOptions, signal: AbortSignal): Promise<void> {
  const title = `Fluxify bonding to ${options.server}`;
  await withLiveScreen(title, options, signal, (either, screen) =>
    bond(options, either, {
      onConnecting: (steps) => screen.showSteps(steps),
      onBonding: (readStatus, controls) =>
        screen.show(
          bondModels(readStatus, performance.now()),
          bondKeys(readStatus, controls, { ...screen, tun: options.tunName }),
        ),
    }));
}

/** As balance(). @throws UsageError when there is no terminal. */
export async function showBalance(options: BalanceOptions, signal: AbortSignal): Promise<void> {
  await withLiveScreen(
    "Fluxify load balance",
    options,
    signal,
    (either, screen) =>
      balance(options, either, {
        onBalancing: (readStatus, controls) =>
          screen.show(
            balanceModels(readStatus, performance.now()),
            balanceKeys(readStatus, controls, { ...screen, tun: TUN_NAME }),
          ),
      }),
  );
}

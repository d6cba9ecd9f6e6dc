/** What the keys of the live status do to a mode while it runs. */
import { SystemRunner } from "../../lib/host/command/runner.ts";
import type { ScreenHost } from "../../lib/cli/screen/screen_host.ts";
import type { BondStatus } from "../../lib/status/bond_status.ts";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import type { BalanceControls } from "../balance/balance.ts";
import type { BalanceStatus } from "../balance/status.ts";
import type { BondControls } from "../bonding/bond_observer.ts";
import { readMachineLinks } from "./form/machine_link.ts";
import { LinksPage } from "./links_page.ts";
import { SchedulerPage } from "./scheduler_page.ts";
import type { StatusPage } from "./status_page.ts";

interface KeyedScreen {
  readonly host: Pick<ScreenHost, "show">;
  readonly page: StatusPage;
  /** The client's own device, which is no link. */
  readonly tun: string;
  /** Told of the links that were chosen while it runs. */
  readonly onLinks?: (names: readonly string[]) => void;
}

type OnKey = (key: string) => boolean;

/** `s` takes another scheduler, whose name is among the facts once it is in use; `l` other links. */
export function bondKeys(
  readStatus: () => Promise<BondStatus>,
  controls: BondControls,
  screen: KeyedScreen,
): OnKey {
  return (key) => {
    if (key === "s") {
      readStatus().then(({ session }) => chooseScheduler(session, controls, screen)).catch(ended);
    } else if (key === "l") {
      readStatus().then(({ links }) => chooseLinks(links.map(({ name }) => name), controls, screen))
        .catch(ended);
    } else return false;
    return true;
  };
}

/** `l` takes other uplinks. */
export function balanceKeys(
  readStatus: () => Promise<BalanceStatus>,
  controls: BalanceControls,
  screen: KeyedScreen,
): OnKey {
  return (key) => {
    if (key !== "l") return false;
    readStatus().then(({ uplinks }) =>
      chooseLinks(uplinks.map(({ name }) => name), controls, screen)
    ).catch(ended);
    return true;
  };
}

/** What runs has just ended, and has nothing to be changed. */
function ended(): void {}

async function chooseScheduler(
  session: BondStatus["session"],
  controls: Pick<BondControls, "useScheduler">,
  { host, page }: KeyedScreen,
): Promise<void> {
  const chooser = new SchedulerPage(
    session?.scheduler ?? SCHEDULERS[0],
    (name) => controls.useScheduler(name),
  );
  host.show(chooser);
  await chooser.left;
  host.show(page);
}

async function chooseLinks(
  inUse: readonly string[],
  controls: { useLinks(names: readonly string[]): void },
  { host, page, tun, onLinks = () => {} }: KeyedScreen,
): Promise<void> {
  const read = () => readMachineLinks(new SystemRunner(), tun);
  const chooser = new LinksPage(inUse, read, (names) => {
    controls.useLinks(names);
    onLinks(names);
  });
  host.show(chooser);
  await chooser.left;
  host.show(page);
}

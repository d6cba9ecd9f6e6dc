/** What the keys of the live status do to a bond while it runs. */
import { SystemRunner } from "../../lib/host/command/runner.ts";
import type { ScreenHost } from "../../lib/cli/screen/screen_host.ts";
import { type SchedulerName, SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import type { BondControls, BondStatus } from "../bonding/bond_observer.ts";
import { readMachineLinks } from "./form/machine_link.ts";
import { LinksPage } from "./links_page.ts";
import type { StatusPage } from "./status_page.ts";

interface BondScreen {
  readonly host: Pick<ScreenHost, "show">;
  readonly page: StatusPage;
  /** The client's own device, which is no link. */
  readonly tun: string;
  /** Told of the links that were chosen while it runs. */
  readonly onLinks?: (names: readonly string[]) => void;
}

/**
 * `s` takes the next scheduler, whose name is among the facts once it is in use; `l` shows the links
 * to tick.
 */
export function bondKeys(
  readStatus: () => Promise<BondStatus>,
  controls: BondControls,
  { host, page, tun, onLinks = () => {} }: BondScreen,
): (key: string) => boolean {
  let wanted: SchedulerName | null = null;
  const nextScheduler = async () => {
    const { session } = await readStatus();
    const at = SCHEDULERS.indexOf(wanted ?? session?.scheduler ?? "flow");
    wanted = SCHEDULERS[(at + 1) % SCHEDULERS.length]!;
    controls.useScheduler(wanted);
  };
  const chooseLinks = async () => {
    const { links } = await readStatus();
    const chooser = new LinksPage(
      links,
      () => readMachineLinks(new SystemRunner(), tun),
      (names) => {
        controls.useLinks(names);
        onLinks(names);
      },
    );
    host.show(chooser);
    await chooser.left;
    host.show(page);
  };
  const ended = () => {}; // the bond has just ended, and has nothing to be changed
  return (key) => {
    if (key === "s") nextScheduler().catch(ended);
    else if (key === "l") chooseLinks().catch(ended);
    else return false;
    return true;
  };
}

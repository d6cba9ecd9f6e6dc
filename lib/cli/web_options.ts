/** `web`: the page beside whatever runs. */
import { Argument, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { askedNameOption } from "./instance_options.ts";
import {
  type PageOptions,
  pageOptions,
  parsePageAddress,
  webCertOption,
  webHostsOption,
  webKeyOption,
} from "./page_options.ts";
import { logJsonOption, logOptions, verboseOption } from "./tunnel_options.ts";

interface WebWords extends ReturnType<typeof logOptions> {
  /** Of the instance; undefined: the one without a name. */
  readonly name: string | undefined;
  readonly page: PageOptions;
}

/** `usual`: where it is served unless told. */
export function addWebCommand(
  program: CommandUnknownOpts,
  usual: string,
  accept: (words: WebWords) => void,
): void {
  program.command("web")
    .description(
      "serve a page for browsers beside whatever runs, or print the link of the one served",
    )
    .addArgument(
      new Argument("[address]", "where: a port of 127.0.0.1, an address, or unix:/PATH")
        .default(parsePageAddress("web", usual), usual)
        .argParser((text) => parsePageAddress("web", text)),
    )
    .addOption(askedNameOption())
    .addOption(webCertOption())
    .addOption(webKeyOption())
    .addOption(webHostsOption())
    .addOption(verboseOption())
    .addOption(logJsonOption())
    .action((address, raw) => {
      const page = pageOptions({ ...raw, web: address })!;
      accept({ name: raw.name, page, ...logOptions(raw) });
    });
}

/** A person's answers to the client's first questions. */
import type { Tmux } from "./tmux.ts";

/** Bonding to `server` with the certificate in `bundle`, up to the question for the links. */
export async function answerSetup(terminal: Tmux, server: string, bundle: string): Promise<void> {
  await chooseBonding(terminal);
  await nameServer(terminal, server);
  await nameBundle(terminal, bundle);
}

export async function chooseBonding(terminal: Tmux): Promise<void> {
  await terminal.waitFor(/What is it to do\?[^]*bonding/);
  await terminal.press("Enter");
  await terminal.waitFor(/Name or address of the server/);
}

export async function nameServer(terminal: Tmux, server: string): Promise<void> {
  await terminal.type(server);
  await terminal.press("Enter");
  await terminal.waitFor(/Which certificate\?/);
}

export async function nameBundle(terminal: Tmux, bundle: string): Promise<void> {
  await terminal.press("Enter");
  await terminal.waitFor(/Path of the bundle/);
  await terminal.type(bundle);
  await terminal.press("Enter");
  await terminal.waitFor(/Which links\?/);
}

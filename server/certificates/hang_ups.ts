/**
 * Hang-ups (SIGHUP) of a server. Those that come before anybody answers them count as one that comes
 * then, and so do those that come while one is being answered: none is lost, and none piles up.
 */
export class HangUps {
  #answer: (() => Promise<void>) | null = null;
  #state: "idle" | "asked" | "answering" | "answering, and asked again" = "idle";

  /** One has come. */
  notify(): void {
    this.#state = this.#state === "idle" || this.#state === "asked"
      ? "asked"
      : "answering, and asked again";
    this.#run();
  }

  /** From here on `answer`, which must not reject, is called for each; until disposed of. */
  answerWith(answer: () => Promise<void>): Disposable {
    this.#answer = answer;
    this.#run();
    return { [Symbol.dispose]: () => void (this.#answer = null) };
  }

  async #run(): Promise<void> {
    while (this.#state === "asked" && this.#answer !== null) {
      this.#state = "answering";
      await this.#answer();
      this.#state = this.#isAskedAgain() ? "asked" : "idle";
    }
  }

  #isAskedAgain(): boolean {
    return this.#state === "answering, and asked again";
  }
}

/** What is tried, a line each. */

export class StepList {
  passed = 0;
  failed = 0;

  /** One that fails does not keep the next from its result. */
  async step(name: string, run: () => Promise<unknown>): Promise<void> {
    const beganMs = performance.now();
    const took = () => `${((performance.now() - beganMs) / 1000).toFixed(1)} s`;
    try {
      await run();
      this.passed++;
      console.log(`ok      ${name} (${took()})`);
    } catch (error) {
      this.failed++;
      console.log(`FAILED  ${name} (${took()}): ${error instanceof Error ? error.message : error}`);
    }
  }
}

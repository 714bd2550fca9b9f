/** How long another page of the site is let go first. */
const TURN_MS = 20000;

/**
 * Runs it while no other page of the site runs it. Where that cannot be arranged, or takes too long, it runs all the same:
 * the service takes each choice once.
 */
export async function inTurn(key: string, run: () => Promise<void>): Promise<void> {
  let begun = false;
  const once = (): Promise<void> => {
    begun = true;
    return run();
  };
  try {
    // Not in insecure contexts, nor in sandboxed documents.
    await navigator.locks.request(key, { signal: AbortSignal.timeout(TURN_MS) }, once);
  } catch (error) {
    if (begun) throw error;
    await once();
  }
}

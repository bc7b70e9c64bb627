// A readable's chunks in a loop.

/** What comes in, one by one; leaving the loop early cancels the readable. */
export async function* each<T>(readable: ReadableStream<T>): AsyncGenerator<T, void, undefined> {
  const reader = readable.getReader();
  let done = false;
  try {
    while (true) {
      const next = await reader.read();
      done = next.done;
      if (next.done) return;
      yield next.value;
    }
  } catch (error) {
    done = true;
    throw error;
  } finally {
    if (!done) await reader.cancel();
    reader.releaseLock();
  }
}

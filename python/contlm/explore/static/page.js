// The page's transport: one POST a run, answered by lines of JSON as they come.

function overHttp(token) {
  const request = async (settings, signal, onEvent) => {
    const response = await fetch("run", {
      method: "POST", signal, cache: "no-store", credentials: "omit",
      headers: { "Content-Type": "application/json", "X-Contlm-Token": token },
      body: JSON.stringify(settings),
    });
    if (!response.ok) {
      const answer = await response.json().catch(() => ({}));
      throw new Error(answer.error ?? `the server answered ${response.status}`);
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "", last = null;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) onEvent((last = JSON.parse(line)));
    }
    if (last?.kind !== "done" && last?.kind !== "error") throw new TypeError("cut off");
  };
  return {
    settings() {},
    run(settings, onEvent) {
      const controller = new AbortController();
      request(settings, controller.signal, onEvent).catch((error) => {
        if (controller.signal.aborted) return;
        // fetch says TypeError when nobody answers, in words that differ by browser
        const gone = "No answer from the server: is contlm explore still running?";
        onEvent({ kind: "error", message: error instanceof TypeError ? gone : error.message });
      });
      return { cancel: () => controller.abort() };
    },
  };
}

mount(
  document.getElementById("app"),
  JSON.parse(document.getElementById("config").textContent),
  overHttp(new URLSearchParams(location.search).get("token")),
);

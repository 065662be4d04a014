// The notebook's transport: messages of an anywidget model, which carry the run that they belong to.

function overModel(model) {
  const listeners = new Map();
  const hear = ({ run, event }) => listeners.get(run)?.(event);
  model.on("msg:custom", hear);
  return {
    settings(settings) {
      model.set("settings", settings);
      model.save_changes();
    },
    run(settings, onEvent) {
      const run = crypto.randomUUID?.() ?? String(Math.random());
      listeners.set(run, (event) => {
        if (event.kind === "done" || event.kind === "error") listeners.delete(run);
        onEvent(event);
      });
      model.send({ run, settings });
      return {
        cancel() {
          listeners.delete(run);
          model.send({ run, cancel: true });
        },
      };
    },
    close() { model.off("msg:custom", hear); },
  };
}

export default {
  render({ model, el }) {
    const transport = overModel(model);
    const leave = mount(el, model.get("config"), transport);
    return () => { leave(); transport.close(); };
  },
};

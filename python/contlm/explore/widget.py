"""The notebook's face.

anywidget rather than ipywidgets' own sliders: the view is then the page's, one script and one
style for both, and text travels as pieces rather than as a growing HTML value.
"""

from __future__ import annotations

import html
import threading
from typing import Any

import anywidget
import traitlets

from contlm.explore.assets import script, style
from contlm.explore.events import event_json, failure
from contlm.explore.session import Run, Session
from contlm.explore.settings import Settings
from contlm.points.point import Point


class ExploreWidget(anywidget.AnyWidget):
    """A panel in a notebook; made by `Interpolator.explore`.

    point: where its sliders stand, for other calls: ``lm.generate(prompts, point=panel.point)``.
    """

    _esm = script("notebook.js")
    _css = style()
    config = traitlets.Dict().tag(sync=True)
    # kept by the view: what the sliders say
    settings = traitlets.Dict().tag(sync=True)

    def __init__(self, session: Session) -> None:
        # first, as a widget that fails to begin is closed too
        self._session = session
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._run_id: Any = None
        config = session.config()
        super().__init__(config=config, settings=config["settings"])
        self.on_msg(self._on_message)

    @property
    def point(self) -> Point:
        """Where the sliders stand."""
        return Settings.from_json(self.settings, self._session.lm.attributes).point

    def __repr__(self) -> str:
        return f"ExploreWidget({self._session.lm!r}, {self.point!r})"

    def _repr_html_(self) -> str:
        """What stands in the panel's place where nothing draws widgets: an exported notebook, say,
        or a front end without anywidget."""
        settings = Settings.from_json(self.settings, self._session.lm.attributes)
        return (
            f"<p><b>contlm explore</b>: {html.escape(repr(settings.point))}</p>"
            f"<p><code>{html.escape(settings.code())}</code></p>"
            "<p>The sliders need a running notebook whose front end shows widgets; "
            "<code>contlm explore</code> opens them as a page.</p>"
        )

    def close(self) -> None:
        """Cancels what runs and takes the panel out of the notebook."""
        self._session.close()
        super().close()

    def _on_message(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """{"run": id, "settings": ...} starts a run and cancels the one before;
        {"run": id, "cancel": true} cancels that one."""
        run_id = message.get("run") if isinstance(message, dict) else None
        if run_id is None:
            return
        if message.get("cancel"):
            with self._lock:
                if run_id == self._run_id and self._run is not None:
                    self._run.cancel()
            return
        try:
            settings = Settings.from_json(message.get("settings"), self._session.lm.attributes)
        except (ValueError, TypeError) as error:
            self._tell(run_id, event_json(failure(error)))
            return
        with self._lock:
            if self._run is not None:
                self._run.cancel()
            run = self._run = self._session.start(settings)
            self._run_id = run_id
        # the kernel stays free to hear of the next slider
        threading.Thread(target=self._pass_on, args=(run_id, run), daemon=True).start()

    def _pass_on(self, run_id: Any, run: Run) -> None:
        for event in run:
            self._tell(run_id, event_json(event))

    def _tell(self, run_id: Any, event: dict[str, Any]) -> None:
        self.send({"run": run_id, "event": event})

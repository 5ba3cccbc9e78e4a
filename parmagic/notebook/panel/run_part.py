"""The part of a panel in which a function is chosen and run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

from ipywidgets import HTML, Checkbox, Dropdown, ToggleButton

from parmagic.notebook.options import Option
from parmagic.notebook.panel import code_html
from parmagic.notebook.panel.controls import button, column, field, row, show, shown
from parmagic.notebook.panel.form import OFFERED
from parmagic.notebook.panel.items import Preview
from parmagic.notebook.panel.model import Notice, PanelModel
from parmagic.notebook.subshell import answer_at_once
from parmagic.report import explanation_html

_NO_FUNCTION = "define one in a cell"


class RunPart:
    """What is filled in, the buttons, and the cell that does the same.

    Parameters
    ----------
    changed
        Called after something was changed or done, so that all panels show it.
    """

    def __init__(self, shell: Any, model: PanelModel, changed: Callable[[], None]) -> None:
        self._model = model
        self._changed = changed
        self._filling = False
        self._function = Dropdown(description="Function", tooltip="What is called on each item")
        self._function.add_class("parmagic-field")
        self._function.observe(self._choose, "value")
        self._items = field(
            "Items", partial(self._fill_in, "items"), hint="range(10)",
            tooltip="A Python expression; Enter shows what it gives",
        )  # fmt: skip
        self._items.add_class("parmagic-items")
        self._name = field(
            "Results", partial(self._fill_in, "name"), hint="ys",
            tooltip="The name that the results are to have",
        )  # fmt: skip
        self._preview = shown("parmagic-preview")
        self._options = {option.word: self._control(option) for option in OFFERED}
        self._unfold = ToggleButton(description="Options", icon="sliders", tooltip="Show or hide")
        self._unfold.add_class("parmagic-button")
        self._unfold.observe(self._fold, "value")
        self._folded = row(*map(self._option, OFFERED), classes=["parmagic-options"])
        self._run = button("Run", "Run the function over the items", self._click_run, icon="play")
        self._run.add_class("parmagic-primary")
        self._stop = button(
            "Stop", "Stop what runs, and keep what has finished", self._click_stop, icon="stop"
        )
        answer_at_once(shell, self._stop)
        self._resume = button(
            "Resume", "Keep what has finished, and run the rest", self._click_resume,
            icon="step-forward",
        )  # fmt: skip
        self._explain = button(
            "Explain", "Say what would be sent to the workers, and run nothing", self._click_explain
        )
        self._code = shown()
        self._notice = shown("parmagic-notice")
        self._explanation = shown()
        self._fold()
        self.widget = column(
            row(self._function, self._items, self._name, classes=["parmagic-fields"]),
            self._preview,
            row(
                self._run, self._stop, self._resume, self._unfold, self._explain,
                classes=["parmagic-buttons"],
            ),
            self._folded,
            self._code,
            self._notice,
            self._explanation,
        )  # fmt: skip

    def _control(self, option: Option) -> Any:
        label = option.word.removeprefix("--").replace("-", " ").capitalize()
        change = partial(self._set_option, option.word)
        if option.takes is not None:
            return field(label, change, hint=option.takes, tooltip=option.help)
        made = Checkbox(description=label, tooltip=option.help, indent=False)
        made.observe(lambda event: change(event["new"]), "value")
        return made

    def _option(self, option: Option) -> Any:
        words = HTML(escape(option.help))
        words.add_class("parmagic-help")
        return column(self._options[option.word], words)

    def _fold(self, _: object = None) -> None:
        (self._folded.remove_class if self._unfold.value else self._folded.add_class)(
            "parmagic-empty"
        )

    # What is done here.

    def _choose(self, event: Any) -> None:
        self._fill_in("function", event["new"] or "")

    def _fill_in(self, name: str, value: str) -> None:
        if not self._filling:
            self._model.fill_in(**{name: value})
            self._changed()

    def _set_option(self, word: str, value: str | bool) -> None:
        if not self._filling:
            self._model.set_option(word, value)
            self._changed()

    def _click_run(self) -> None:
        show(self._explanation, "")
        self._model.run()
        self._changed()

    def _click_stop(self) -> None:
        # Perhaps in another thread, while a cell runs.
        self._model.stop()

    def _click_resume(self) -> None:
        self._model.resume()
        self._changed()

    def _click_explain(self) -> None:
        found = self._model.explain()
        show(self._explanation, "" if found is None else explanation_html.render(found))
        self._changed()

    # What is shown here.

    def refresh(self) -> None:
        """Show what is filled in, wherever that was done, and what can be done now."""
        self._filling = True
        try:
            self._show_form()
        finally:
            self._filling = False
        model = self._model
        self._run.disabled = not model.can_run
        self._stop.disabled = not model.running
        self._resume.disabled = model.resumable is None
        show(self._preview, _preview(model.preview))
        show(self._code, code_html.render(model.cell, "cell") if model.cell else "")
        show(self._notice, _notice(model.notice))

    def _show_form(self) -> None:
        form = self._model.form
        options = [(each.label, each.name) for each in self._model.functions]
        options = options or [(_NO_FUNCTION, "")]
        if list(self._function.options) != options:
            self._function.options = options
        self._function.value = form.function
        self._items.value = form.items
        self._name.value = form.name
        for word, control in self._options.items():
            control.value = form.values.get(word, type(control.value)())


def _preview(preview: Preview) -> str:
    style = ' class="parmagic-error" role="alert"' if preview.failed else ""
    return f"<div{style}>{escape(preview.text)}</div>" if preview.text else ""


def _notice(notice: Notice) -> str:
    if not notice.text:
        return ""
    role = "alert" if notice.kind == "error" else "status"
    return f'<div role="{role}">{escape(notice.text)}</div>'

"""What is filled in to run a function over items, and the cell that does the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parmagic.notebook.options import PARMAP, Option
from parmagic.notebook.panel.items import as_clause, names_in

# What the panel does in other ways, or what has no meaning where nothing waits for the job.
_LEFT_OUT = {"--resume", "--serial", "--explain", "--out", "--quiet", "--background"}
_STAR = "--star"
_ITEM = "item"

#: The options that have a control of their own.
OFFERED: tuple[Option, ...] = tuple(each for each in PARMAP if each.word not in _LEFT_OUT)


@dataclass(frozen=True)
class Form:
    """What is filled in.

    Attributes
    ----------
    function
        The name of the function; empty as long as there is none.
    items
        An expression.
    name
        Of the results; empty for none.
    values
        By the option's word: its value as text, or whether it is set.
    """

    function: str = ""
    items: str = ""
    name: str = ""
    values: Mapping[str, str | bool] = field(default_factory=dict)

    def header(self, parameter: str) -> str:
        """Return the loop's line: ``number in numbers``.

        Parameters
        ----------
        parameter
            What the function calls its item.
        """
        taken = {self.function, *names_in(self.items)}
        name = next(
            each for each in (parameter, _ITEM, f"{_ITEM}_", f"{_ITEM}__") if each not in taken
        )
        return as_clause(name, self.items)

    def line(self, parameter: str, *, resume: bool = False) -> str:
        """Return what stands after ``%%parmap``."""
        words = [word for option in OFFERED for word in self._words(option)]
        name = f"-> {self.name.strip()}" if self.name.strip() else ""
        return " ".join(
            filter(None, [*(["--resume"] if resume else []), *words, self.header(parameter), name])
        )

    def cell(self, parameter: str) -> str:
        """Return the cell that does the same."""
        if not (self.function and self.items.strip()):
            return ""
        item, _, _ = self.header(parameter).partition(" in ")
        star = "*" if self.values.get(_STAR) else ""
        return f"%%parmap {self.line(parameter)}\n{self.function}({star}{item})"

    @property
    def star(self) -> bool:
        """Whether the items are tuples of arguments."""
        return bool(self.values.get(_STAR))

    def _words(self, option: Option) -> list[str]:
        value = self.values.get(option.word)
        if option.word == _STAR or not value:
            return []  # the cell calls the function itself
        if value is True:
            return [option.word]
        text = str(value).strip()
        return [option.word, _quoted(text) if option.takes == "PATH" else text] if text else []


def _quoted(text: str) -> str:
    if not any(map(str.isspace, text)):
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'

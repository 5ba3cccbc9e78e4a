"""Classes of the notebook with ``__slots__``, which cloudpickle makes again without them.

Such a class has a ``__dict__`` in the worker, and what its instances bring back from there is a
state that the notebook's own class, which has none, refuses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

_MAKER = "_make_skeleton_class"
# Among its arguments: what is in the body of the class from the beginning.
_BODY = 3


def with_slots(cls: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return how to make ``cls`` again with its slots, given how cloudpickle makes it."""
    if reduced[0].__name__ != _MAKER or not _may_name_slots(cls):
        return reduced
    make, arguments, (content, others), *rest = reduced
    slots = _slots(cls)
    # As cloudpickle does with other names, these are copied: the same bytes each time.
    body = {**arguments[_BODY], "__slots__": tuple("".join(slot) for slot in slots)}
    arguments = (*arguments[:_BODY], body, *arguments[_BODY + 1 :])
    content = {name: value for name, value in content.items() if name not in slots}
    content["__slots__"] = vars(cls)["__slots__"]  # as they were written
    return make, arguments, (content, others), *rest


def _may_name_slots(cls: type) -> bool:
    # A tuple has no room for any, and typing.NamedTuple does not even let them be called none.
    return "__slots__" in vars(cls) and not issubclass(cls, tuple)


def _slots(cls: type) -> list[str]:
    # As Python has made them: private names have that of the class, an iterator is used up.
    own = sorted(vars(cls).items())
    members = [name for name, value in own if _is_member_of(cls, value)]
    extra = [name for name in ("__dict__", "__weakref__") if _is_implicit(vars(cls).get(name))]
    return members + extra


def _is_member_of(cls: type, value: object) -> bool:
    return isinstance(value, MemberDescriptorType) and value.__objclass__ is cls


def _is_implicit(value: object) -> bool:
    return isinstance(value, GetSetDescriptorType)


@contextlib.contextmanager
def in_a_tuple(cls: type) -> Iterator[None]:
    """Have the only slot of ``cls`` stand in a tuple.

    As text, cloudpickle looks for it in the class: a private one has another name there.
    """
    slots = vars(cls).get("__slots__") if isinstance(cls, type) else None
    if not isinstance(slots, str):
        yield
        return
    type.__setattr__(cls, "__slots__", (slots,))
    try:
        yield
    finally:
        type.__setattr__(cls, "__slots__", slots)

"""Code to be copied: with a button, or as it stands."""

from __future__ import annotations

from html import escape

# Where the page may not use the clipboard, as over plain HTTP, the selected text is copied.
_COPY = (
    "const b=this,c=b.parentElement.querySelector('code');"
    "const told=()=>{b.textContent='Copied';setTimeout(()=>{b.textContent='Copy'},1500)};"
    "const select=()=>{getSelection().selectAllChildren(c);document.execCommand('copy');told()};"
    "navigator.clipboard?navigator.clipboard.writeText(c.textContent).then(told,select):select()"
)


def render(code: str, what: str) -> str:
    """Draw code and its button.

    Parameters
    ----------
    what
        What the code is, for those who hear the page.
    """
    label = escape(what)
    return (
        f'<div class="parmagic-code"><pre tabindex="0" role="group" aria-label="{label}">'
        f"<code>{escape(code)}</code></pre>"
        f'<button type="button" title="Copy {label}" onclick="{escape(_COPY)}">Copy</button></div>'
    )

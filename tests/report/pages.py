"""What a browser makes of our HTML, strings that try to break it, and reports to draw."""

from dataclasses import replace
from html.parser import HTMLParser

from parmagic.report.report import Report

RUNNING = Report(
    what="seed in range(200)",
    state="running",
    items=200,
    done=134,
    failed=0,
    workers=2,
    busy_workers=2,
    chunks=12,
    wall_seconds=3.25,
    item_seconds=6.1,
    start_seconds=0.0,
)
DONE = replace(RUNNING, state="done", done=200)

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "end of style": "</style></samp></div><!--",
    "entity": "&lt;b&gt; &amp &#60;",
    "newlines": "line one\n\tline two\r\n\x0b\x0cline three",
    "controls": "nul \x00 escape \x1b[31m bell \x07",
    "hebrew": "שלום",
    "bidi override": "\u202eevil\u202c",
    "emoji": "🎉 👩\u200d👩\u200d👧",
    "surrogate": "\ud800 \udfff",
    "long": "x" * 10_000,
    "long and quoted": "\"'<&>" * 2_000,
    "all quotes": "'" * 10_000,
    "wide": "🎉" * 10_000,
    "empty": "",
}


class Page(HTMLParser):
    """What a browser makes of a fragment: elements, attributes and text."""

    def __init__(self, fragment):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def one(self, **attributes):
        found = [attrs for _, attrs in self.elements if attributes.items() <= attrs.items()]
        assert len(found) == 1
        return found[0]

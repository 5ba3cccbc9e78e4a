import pytest

from parmagic.report.harmless import harmless


@pytest.mark.parametrize(
    "html",
    [
        "",
        "plain &amp; simple &lt;b&gt;",
        "<p>one<br>two</p>",
        '<table border="1"><tbody><tr><td colspan="2">1</td></tr></tbody></table>',
        '<span style="color:red;font-weight:bold">x</span>',
        '<a href="https://example.org/?a=1&amp;b=2">x</a>',
        '<img src="data:image/png;base64,AAAA" alt="a &quot;b&quot;">',
    ],
)
def test_what_only_shows_something_stays_as_it_is(html):
    assert harmless(html) == html


@pytest.mark.parametrize(
    ("html", "copy"),
    [
        ("<DIV ALIGN=left>x</DIV>", '<div align="left">x</div>'),
        ("a<br/>b", "a<br>b"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ("a<!-- <script>x</script> -->b", "ab"),
        ("<style scoped>\n    .dataframe th { top: 0 }\n</style><b>x</b>", "<b>x</b>"),
        ("<style>\n.dataframe > thead { top: 0 }\n</style><b>x</b>", "<b>x</b>"),
    ],
)
def test_it_is_written_anew_as_it_was_read(html, copy):
    assert harmless(html) == copy


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<ScRiPt >alert(1)</sCrIpT>",
        "<script",
        "<iframe src=x></iframe>",
        "<object></object>",
        "<embed>",
        "<link rel=stylesheet href=https://x>",
        "<form><input></form>",
        "<meta http-equiv=refresh>",
        "<base href=https://x>",
        "<svg><b>x</b></svg>",
        "<math></math>",
        "<template></template>",
        "<noscript></noscript>",
        "<b onclick=alert(1)>x</b>",
        "<b oNcLiCk=alert(1)>x</b>",
        "<img src=x onerror=alert(1)>",
        "<img src=javascript:alert(1)>",
        "<a href=javascript:alert(1)>x</a>",
        "<a href=' java\nscript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<a href=data:text/html,x>x</a>",
        "<img src=data:image/svg+xml;base64,AAAA>",
        "<b id=root>x</b>",
        "<b data-commandlinker-command=x>x</b>",
        "<div style='position:fixed'>x</div>",
        "<div style='po\\73ition:fixed'>x</div>",
        "<div style='pos/**/ition:fixed'>x</div>",
        "<div style='background:url(https://x)'>x</div>",
        "<style>body { display: none }</style>",
        "<style>.dataframe { top: 0 }",
        "<!DOCTYPE html>",
        "<?php x ?>",
        "<![CDATA[x]]>",
        "<div>",
        "</div>",
        "<b><i>x</b></i>",
        "<div/>",
        "<textarea></textarea>",
    ],
)
def test_what_acts_or_is_left_open_is_not_harmless(html):
    assert harmless(html) is None or "<" not in harmless(html)

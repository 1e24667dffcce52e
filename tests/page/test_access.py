"""For everybody: no serious finding of axe in any state, light and dark."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from looks import VIEWER, settled
from visitors import DESKTOP, Invite, Visitor

pytestmark = pytest.mark.browser


def findings(visitor: Visitor) -> list[str]:
    """What axe finds serious or critical: rule and element."""
    result = Axe().run(visitor.page).response
    return [
        f"{found['id']}: {node['html'][:120]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_has_a_serious_finding(scheme: str, visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit(color_scheme=scheme, **DESKTOP)
    assert findings(visitor) == []
    visitor.give(photos["other"])
    visitor.tick("cnn", "gan")
    visitor.restore()
    settled(visitor)
    visitor.page.click("#settings > button")
    visitor.page.wait_for_selector("#tile", state="visible")
    assert findings(visitor) == []
    visitor.page.click(f"{VIEWER} [data-mode=split]")
    settled(visitor)
    visitor.page.click(f"{VIEWER} .keys summary")
    assert findings(visitor) == []

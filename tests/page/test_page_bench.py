"""The page measured as ``bench --page`` does it, with a tiny model and a small photo."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demoire.page_bench import PageOptions, measure_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_page_is_measured_in_a_real_browser(models: Path) -> None:
    with ThreadPoolExecutor(1) as thread:  # apart from the browser of the other tests, which holds this one
        cost = thread.submit(measure_page, PageOptions(0.3, 1, models)).result()
    (run,) = cost.runs
    assert 0 < run.first_tile <= run.whole <= run.offered and run.encoding > 0
    assert cost.overhead == run.overhead < run.offered
    assert cost.start > 0.5 and cost.empty_start > 0.5 and cost.ratio == cost.start / cost.empty_start
    assert cost.torch_before_use is False

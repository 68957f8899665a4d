"""Where a form may lead back to: paths of this service and nothing a browser could take for another site."""

import pytest

from review_ui.login import own_path


@pytest.mark.parametrize("path", ["/queues", "/review/case_1?x=1", "/"])
def test_own_paths_are_kept(path):
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path", ["", "queues", "//evil", "/\\evil", "\\/evil", "https://evil", "/\t/evil", "/\n", "/é"]
)
def test_all_else_leads_to_the_queues(path):
    assert own_path(path) == "/queues"

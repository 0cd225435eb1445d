import pytest

from api.metrics import metric_name, pipeline_families, route_name


@pytest.mark.parametrize(("key", "name"), [("pending", "pending"), ("queueDepth", "queue_depth"), ("a-b.c", "a_b_c")])
def test_a_counters_name_is_one_prometheus_takes(key: str, name: str) -> None:
    assert metric_name(key) == name


def test_numbers_become_metrics_and_the_rest_is_left_out() -> None:
    told = {"pending": 3, "connected": True, "note": "x", "none": None, "by": {"range": 1, "why": "x"}}
    samples = {(s.name, *s.labels.values()): s.value for f in pipeline_families(told) for s in f.samples}
    assert samples == {
        ("cityvitals_pipeline_pending",): 3.0,
        ("cityvitals_pipeline_connected",): 1.0,
        ("cityvitals_pipeline_by", "range"): 1.0,
    }


@pytest.mark.parametrize(
    ("template", "path", "name"),
    [("/areas/{code}", "/v1/areas/1", "/v1/areas/{code}"), ("/livez", "/livez", "/livez"), (None, "/x", "unmatched")],
)
def test_requests_are_counted_by_the_template_of_their_route(template: str | None, path: str, name: str) -> None:
    route = None if template is None else type("Route", (), {"path": template})()
    assert route_name({"route": route, "path": path}) == name
